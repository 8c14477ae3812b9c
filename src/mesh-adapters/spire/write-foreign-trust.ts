import type { Clock } from '../../platform/index.ts';
import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { ForeignTrustReport, PresentTrust } from '../contract/mesh-adapter.ts';
import type { Admission } from '../contract/admission.ts';
import { reportOf } from '../contract/foreign-report.ts';
import { PeerWrites, type TrustComparison } from '../contract/peer-writes.ts';
import { expectServer } from './expected-server.ts';
import type { FilePolls } from './file-polls.ts';
import { endRelationship, holdTarget, removeBundle } from './hold-trust.ts';
import { type Owned, readOwned, sameOwned, writeOwned } from './owned.ts';
import type { PeerEndpoints } from './peer-endpoint.ts';
import { type Plan, planForeignTrust, type SpireContent } from './plan.ts';
import { nameOf, parseOwnBundle, readableRoots, sameAuthorities } from './render.ts';
import type { SpireAccess } from './spire-access.ts';
import { type SpireServer, withSpire } from './spire-server.ts';

export interface SpireWriter {
  readonly access: SpireAccess;
  /** The server's trust domain, where the config names it. */
  readonly trustDomain: TrustDomain | undefined;
  readonly filePolls: FilePolls;
  /** Where it is noted what is ours. */
  readonly ownedFile: string;
  /** The endpoints that SPIRE polls by itself. Undefined: the agent pushes every bundle. */
  readonly endpoints: PeerEndpoints | undefined;
  readonly clock: Clock;
}

/**
 * Makes SPIRE hold exactly these bundles, next to entries of others. A trust domain enters our file
 * before its first write and leaves it after its entries are removed. Throws `MeshAdapterError`
 * where SPIRE or the file fails as a whole.
 */
export async function writeForeignTrust(
  comparison: TrustComparison,
  writer: SpireWriter,
): Promise<ForeignTrustReport[]> {
  const { signal } = comparison;
  try {
    return await withSpire(writer.access, { clock: writer.clock, signal }, (server) =>
      write(comparison, server, writer),
    );
  } catch (error) {
    writer.filePolls.forget();
    throw error;
  }
}

/**
 * The bundles and relationships that are noted as ours and that SPIRE holds. Throws
 * `MeshAdapterError`.
 */
export async function readPresentTrust(
  { access, ownedFile, clock }: Pick<SpireWriter, 'access' | 'ownedFile' | 'clock'>,
  signal: AbortSignal,
): Promise<readonly PresentTrust[]> {
  const { bundles, relationships } = await readOwned(ownedFile);
  const ours = new Set([...bundles, ...relationships]);
  if (ours.size === 0) return [];
  const there = await withSpire(access, { clock, signal }, async (server) =>
    byName(await server.federatedBundles()),
  );
  return [...ours].flatMap((trustDomain) => {
    const bundle = there.get(trustDomain);
    if (!bundle) return [];
    return [{ trustDomain, roots: readableRoots(bundle), where: `the federated bundle of ${trustDomain}` }];
  });
}

async function write(
  comparison: TrustComparison,
  server: SpireServer,
  { trustDomain: configured, filePolls, ownedFile, endpoints, clock }: SpireWriter,
): Promise<ForeignTrustReport[]> {
  const { wanted, kept } = comparison;
  const writes = new PeerWrites(comparison.signal, comparison);
  const noted = await readOwned(ownedFile);
  const own = expectServer(parseOwnBundle(await server.ownBundle()), configured, noted.server);
  const before: SpireContent = {
    own,
    bundles: byName(await server.federatedBundles()),
    relationships: byName(await server.relationships()),
  };
  const now = clock.now();
  const planFor = (content: SpireContent) =>
    planForeignTrust(wanted, content, { noted, kept, polledByFile: filePolls.found, endpoints, now });
  let ours = noted;
  const note = async (next: Owned) => {
    if (!sameOwned(ours, next)) await writeOwned(ownedFile, next);
    ours = next;
  };

  /**
   * Does one thing for one peer. A call that SPIRE does not take is reported for that peer, and
   * stops no other.
   */
  const attempt = async <Report extends ForeignTrustReport | undefined>(
    trustDomain: TrustDomain,
    work: () => Promise<Report>,
    admission?: Admission,
  ): Promise<Report | ForeignTrustReport> => {
    let report: Report | undefined;
    const fault = await writes.attempt(trustDomain, async () => {
      report = await work();
    });
    if (!fault) return report as Report;
    const begun = admission ? reportOf(admission, fault.state, now) : { trustDomain, at: now };
    // A refusal of ours is the reason for what we wrote.
    return admission?.refusal ? { ...begun, state: fault.state } : { ...begun, ...fault };
  };

  // Relationships are removed first, because a running poll could bring back a removed bundle.
  const first = await planFor(before);
  await note(unionOf(noted, first.claims));
  const failed = new Map<TrustDomain, ForeignTrustReport>();
  for (const trustDomain of first.unlink) {
    const report = await attempt(trustDomain, () => endRelationship(server, trustDomain, now));
    if (report) failed.set(trustDomain, report);
  }
  const unlinked = new Set<string>(first.unlink.filter((name) => !failed.has(name)));
  const linked = [...before.relationships].filter(([name]) => !unlinked.has(name));
  const content = { ...before, relationships: new Map(linked) };
  await filePolls.ask(server, questionsOf(first, content, unlinked));

  const plan = await planFor(content);
  await note(unionOf(ours, plan.claims));
  const named = new Set(wanted.map(({ trustDomain }) => trustDomain));
  const reports: ForeignTrustReport[] = [];
  const released = new Set<TrustDomain>();
  for (const trustDomain of plan.drop) {
    const report =
      failed.get(trustDomain) ??
      (content.bundles.has(trustDomain)
        ? await attempt(trustDomain, () => removeBundle(server, trustDomain, now))
        : { trustDomain, state: 'removed' as const, at: now });
    if (report.state === 'removed') released.add(trustDomain);
    if (!named.has(trustDomain)) reports.push(report);
  }
  for (const target of plan.targets) {
    const { trustDomain } = target.admission.bundle;
    const report =
      failed.get(trustDomain) ??
      (await attempt(trustDomain, () => holdTarget(server, target, content, now), target.admission));
    // What SPIRE did not accept is not there. If it appears tomorrow, another client put it there.
    const absent = !content.bundles.has(trustDomain) && !content.relationships.has(trustDomain);
    // A call without an answer may still have been applied.
    if (absent && !settled(report) && !writes.faultOf(trustDomain)) released.add(trustDomain);
    reports.push(report);
  }
  await note(subtract(plan.claims, released));
  writes.finish();
  return inOrderOf(wanted, reports);
}

/**
 * The trust domains to check against SPIRE's configuration file: each wanted one once, and again
 * before each write.
 */
function questionsOf(
  { targets, drop }: Plan,
  { bundles, relationships }: SpireContent,
  unlinked: ReadonlySet<string>,
): ReadonlyMap<string, 'once' | 'again'> {
  const questions = new Map<string, 'once' | 'again'>();
  for (const { admission, bundle, relationship } of targets) {
    const { refusal, bundle: wanted } = admission;
    // Names that no mesh takes are not for SPIRE's ears.
    if (refusal && refusal.code !== 'trust-domain-taken' && !bundle) continue;
    const there = bundles.get(wanted.trustDomain);
    const writes = relationship !== undefined || (bundle && !(there && sameAuthorities(there, bundle)));
    questions.set(wanted.trustDomain, writes ? 'again' : 'once');
  }
  for (const name of drop) if (bundles.has(name)) questions.set(name, 'again');
  for (const name of relationships.keys()) questions.delete(name);
  // That SPIRE denies to poll what has just lost its relationship means that its last poll is over.
  for (const name of unlinked) questions.set(name, 'again');
  return questions;
}

function settled({ state }: ForeignTrustReport): boolean {
  return state !== 'refused' && state !== 'failed';
}

function unionOf(a: Owned, b: Owned): Owned {
  return {
    server: b.server,
    bundles: new Set([...a.bundles, ...b.bundles]),
    relationships: new Set([...a.relationships, ...b.relationships]),
  };
}

function subtract({ server, bundles, relationships }: Owned, names: ReadonlySet<TrustDomain>): Owned {
  const without = (some: ReadonlySet<TrustDomain>) => new Set([...some].filter((name) => !names.has(name)));
  return { server, bundles: without(bundles), relationships: without(relationships) };
}

function byName<Item extends { readonly trust_domain: string }>(items: readonly Item[]): Map<string, Item> {
  return new Map(items.map((item) => [nameOf(item), item]));
}

/** Reports of what is wanted first, in its order. */
function inOrderOf(
  wanted: readonly TrustBundle[],
  reports: readonly ForeignTrustReport[],
): ForeignTrustReport[] {
  const rank = new Map(wanted.map(({ trustDomain }, index) => [trustDomain, index]));
  const rankOf = ({ trustDomain }: ForeignTrustReport) => rank.get(trustDomain) ?? wanted.length;
  return reports.toSorted((a, b) => rankOf(a) - rankOf(b));
}
