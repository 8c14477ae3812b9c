import type { SpireBundle, SpireStatus } from '../../grpc/index.ts';
import type { Clock } from '../../platform/index.ts';
import { isTrustDomain, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { type Admission, heldKeys, judgeForeignTrust, type PresentKey, rootsToHold } from '../admission.ts';
import { reportOf } from '../foreign-report.ts';
import { codeOfStatus } from '../grpc-call.ts';
import type { ForeignTrustReport } from '../mesh-adapter.ts';
import { readOwned, writeOwned } from './owned.ts';
import { parseOwnBundle, readableRoots, renderSpireBundle, sameAuthorities } from './render.ts';
import type { SpireAccess } from './spire-access.ts';
import { type SpireServer, withSpire } from './spire-server.ts';

export interface SpireWriter {
  readonly access: SpireAccess;
  /** Where it is noted whose bundles are ours. */
  readonly ownedFile: string;
  readonly clock: Clock;
}

/**
 * Makes SPIRE hold exactly these bundles beside what is not ours. A trust domain is claimed in the file of ours before its
 * bundle is set and leaves it after the bundle is gone. Throws `MeshAdapterError` where SPIRE or the file fails as a whole.
 */
export async function writeForeignTrust(
  wanted: readonly TrustBundle[],
  writer: SpireWriter,
  signal: AbortSignal,
): Promise<ForeignTrustReport[]> {
  return await withSpire(writer.access, { clock: writer.clock, signal }, (server) =>
    write(wanted, server, writer),
  );
}

async function write(
  wanted: readonly TrustBundle[],
  server: SpireServer,
  { ownedFile, clock }: SpireWriter,
): Promise<ForeignTrustReport[]> {
  const own = parseOwnBundle(await server.ownBundle());
  const held = new Map((await server.federatedBundles()).map((bundle) => [nameOf(bundle), bundle]));
  const polled = await server.polledTrustDomains();
  const noted = await readOwned(ownedFile);
  const owned = new Set([...noted].filter((name) => !polled.has(name)));
  // What stands there as we would write it is ours: another agent of ours, or we before the file was lost, wrote it.
  for (const bundle of wanted) {
    const there = held.get(bundle.trustDomain);
    if (there && !polled.has(bundle.trustDomain) && sameAuthorities(there, wholeOf(bundle)))
      owned.add(bundle.trustDomain);
  }
  const keys = heldKeys(presentKeys(held, owned), wanted);
  const now = clock.now();
  const admissions = judgeForeignTrust(wanted, {
    own,
    ownAliases: [],
    scope: 'per-trust-domain',
    taken: new Set([...polled, ...[...held.keys()].filter((name) => !owned.has(name as TrustDomain))]),
    held: keys,
    now,
  });
  const targets = new Map(
    admissions.map((admission) => [admission, targetOf(admission, held, owned, keys)] as const),
  );
  const kept = new Set([...targets].flatMap(([{ bundle }, target]) => (target ? [bundle.trustDomain] : [])));
  const claimed = new Set([...owned, ...kept]);
  if (claimed.size !== noted.size || [...claimed].some((name) => !noted.has(name)))
    await writeOwned(ownedFile, claimed);

  const named = new Set(wanted.map(({ trustDomain }) => trustDomain));
  const reports: ForeignTrustReport[] = [];
  const released: TrustDomain[] = [];
  for (const trustDomain of claimed) {
    if (kept.has(trustDomain)) continue;
    const note = held.has(trustDomain) ? await remove(server, trustDomain) : undefined;
    if (note?.state !== 'failed') released.push(trustDomain);
    if (!named.has(trustDomain)) reports.push({ trustDomain, state: 'removed', at: now, ...note });
  }
  for (const [admission, target] of targets)
    reports.push(await hold(server, admission, target, held.get(admission.bundle.trustDomain), now));
  if (released.length > 0)
    await writeOwned(ownedFile, new Set([...claimed].filter((name) => !released.includes(name))));
  return inOrderOf(wanted, reports);
}

/** What shall stand in SPIRE for an admission; undefined where nothing of ours shall. */
function targetOf(
  admission: Admission,
  held: ReadonlyMap<string, SpireBundle>,
  owned: ReadonlySet<TrustDomain>,
  keys: ReadonlyMap<string, TrustDomain>,
): SpireBundle | undefined {
  const { bundle, refusal } = admission;
  const roots = rootsToHold(admission, keys);
  if (!refusal) return renderSpireBundle(bundle, roots, bundle.jwtAuthorities);
  const there = owned.has(bundle.trustDomain) ? held.get(bundle.trustDomain) : undefined;
  if (!there || roots.length === 0) return undefined;
  const ids = new Set(there.jwt_authorities.map(({ key_id: id }) => id));
  return renderSpireBundle(
    bundle,
    roots,
    bundle.jwtAuthorities.filter(({ keyId }) => ids.has(keyId)),
  );
}

async function hold(
  server: SpireServer,
  admission: Admission,
  target: SpireBundle | undefined,
  there: SpireBundle | undefined,
  now: Date,
): Promise<ForeignTrustReport> {
  const report = reportOf(admission, 'accepted', now);
  if (!target || (there && sameAuthorities(there, target))) return report;
  // A revocation of all is an empty bundle: registration entries go on naming the trust domain, and trust nobody of it.
  const status = await server.set(target);
  return status.code === 0 ? report : { ...report, ...refusedBy(status) };
}

/**
 * Deletes a bundle: first so that nothing else changes, and where registration entries federate with it so that they go on
 * without it. What became of it where that is worth a word.
 */
async function remove(
  server: SpireServer,
  trustDomain: TrustDomain,
): Promise<Partial<ForeignTrustReport> | undefined> {
  const restricted = await server.delete(trustDomain, 'restrict');
  if (restricted.code === 0 || codeOfStatus(restricted.code) === 'mesh-not-found') return undefined;
  const dissociated = await server.delete(trustDomain, 'dissociate');
  if (dissociated.code !== 0 && codeOfStatus(dissociated.code) !== 'mesh-not-found')
    return { ...refusedBy(dissociated), state: 'failed' };
  return {
    code: 'entries-dissociated',
    message: `registration entries that federated with ${trustDomain} no longer do`,
  };
}

function refusedBy({ code, message }: SpireStatus) {
  const name = codeOfStatus(code);
  const state = name === 'mesh-refused' ? ('refused' as const) : ('failed' as const);
  return { state, code: name, message: `SPIRE says ${JSON.stringify(message.slice(0, 300))}` };
}

function presentKeys(held: ReadonlyMap<string, SpireBundle>, owned: ReadonlySet<TrustDomain>): PresentKey[] {
  return [...owned].flatMap((trustDomain) => {
    const there = held.get(trustDomain);
    return (there ? readableRoots(there) : []).map(({ keyFingerprint }) => ({ trustDomain, keyFingerprint }));
  });
}

function wholeOf(bundle: TrustBundle): SpireBundle {
  return renderSpireBundle(bundle, bundle.x509Authorities, bundle.jwtAuthorities);
}

function nameOf({ trust_domain: name }: SpireBundle): string {
  const plain = name.replace(/^spiffe:\/\//, '');
  return isTrustDomain(plain) ? plain : name;
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
