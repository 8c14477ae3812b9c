import type { Clock } from '../../platform/index.ts';
import { isTrustDomain, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import type { Admission, PresentKey } from '../contract/admission.ts';
import { chooseForeignTrust } from '../contract/choose-foreign-trust.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { reportOf } from '../contract/foreign-report.ts';
import type { ForeignTrustReport, PresentTrust } from '../contract/mesh-adapter.ts';
import { rootsIn } from '../contract/present-anchors.ts';
import { ownRootsFromPem } from '../contract/own-roots.ts';
import { PeerWrites, type TrustComparison } from '../contract/peer-writes.ts';
import type { MeshTrust } from './mesh-trust.ts';
import type { MeshTrusts, WantedMeshTrust } from './mesh-trusts.ts';
import { ownTrustOf } from './read-own-trust.ts';
import { isOwned, type MeshTrustMarks, meshTrustNameOf, matches, renderMeshTrust } from './render.ts';

export interface KumaWriter {
  readonly trusts: MeshTrusts;
  readonly marks: MeshTrustMarks;
  /** The own trust domain, where the config names it. */
  readonly expected: TrustDomain | undefined;
  readonly clock: Clock;
}

/**
 * Makes the mesh hold one MeshTrust of ours for each of these bundles and no other of ours. The
 * control plane's answer for one peer is reported for that peer and does not stop the others.
 * Throws
 * `MeshAdapterError` where the mesh cannot be read or does not accept our credentials.
 */
export async function writeForeignTrust(
  comparison: TrustComparison,
  { trusts, marks, expected, clock }: KumaWriter,
): Promise<ForeignTrustReport[]> {
  const { wanted, signal, reported, kept } = comparison;
  const found = await trusts.list(signal);
  const { own, ownAliases } = ownTrustOf(found, expected);
  const ours = found.filter((trust) => isOwned(trust, marks));
  const others = found.filter((trust) => trust.originKri === undefined && !isOwned(trust, marks));
  const now = clock.now();
  const placed = await chooseForeignTrust(wanted, {
    own,
    ownAliases,
    scope: 'per-trust-domain',
    taken: takenBy(others, wanted, marks),
    present: presentKeys(ours),
    now,
    render: ({ bundle }, roots) => renderMeshTrust(bundle.trustDomain, roots, marks),
    bytesOf: ({ spec }) => Buffer.byteLength(JSON.stringify(spec)),
  });
  const names = new Set(placed.flatMap(({ rendered }) => rendered?.name ?? []));
  const faults = faultsOf(others);
  // Where no proxy accepts its configuration, each keeps its previous one.
  const [fault] = faults;
  const gone = new Set<TrustDomain>(fault ? reported : []);
  const writes = new PeerWrites(signal, comparison);
  // Removals come first: ended trust must not outlast new trust.
  for (const trust of ours) {
    const trustDomain = isTrustDomain(trust.trustDomain) ? trust.trustDomain : undefined;
    if (names.has(trust.name) || (trustDomain !== undefined && kept.has(trustDomain))) continue;
    await writes.attempt(trustDomain, () => trusts.delete(trust, signal));
    if (trustDomain !== undefined) gone.add(trustDomain);
  }
  for (const { trustDomain } of wanted) gone.delete(trustDomain);
  const reports: ForeignTrustReport[] = [];
  for (const { admission, rendered } of placed) {
    const before = rendered && ours.find(({ name }) => name === rendered.name);
    reports.push(await hold(admission, rendered, before));
  }
  writes.finish();
  const state = fault ? 'refused' : 'removed';
  return [
    ...reports,
    ...[...gone].map(
      (trustDomain): ForeignTrustReport => ({
        trustDomain,
        state,
        at: now,
        ...fault,
        ...writes.faultOf(trustDomain),
      }),
    ),
  ];

  async function hold(
    admission: Admission,
    trust: WantedMeshTrust | undefined,
    before: MeshTrust | undefined,
  ): Promise<ForeignTrustReport> {
    const { trustDomain } = admission.bundle;
    const state = faults.length > 0 ? 'refused' : 'written';
    let report = reportOf(admission, state, now, faults);
    if (trust && !(before && matches(before, trust)))
      await writes.attempt(trustDomain, async () => {
        const warnings = await put(trust, before);
        const notes = warnings.map((message) => ({ code: 'mesh-warned', message: message.slice(0, 300) }));
        report = reportOf(admission, state, now, [...faults, ...notes]);
      });
    const failure = writes.faultOf(trustDomain);
    if (!failure) return report;
    // A refusal of ours is the reason for what we wrote.
    return admission.refusal ? { ...report, state: failure.state } : { ...report, ...failure };
  }

  /**
   * Writes a MeshTrust. Where the control plane refuses it, what the peer no longer lists is
   * removed anyway.
   */
  async function put(trust: WantedMeshTrust, before: MeshTrust | undefined): Promise<readonly string[]> {
    try {
      return await trusts.put(trust, before, signal);
    } catch (error) {
      if (!(error instanceof MeshAdapterError && error.code === 'mesh-refused') || !before) throw error;
      const caBundles = trust.spec.caBundles.filter(({ pem }) => before.pems.includes(pem.value));
      if (caBundles.length === before.pems.length) throw error;
      if (caBundles.length === 0) await trusts.delete(before, signal);
      else await trusts.put({ ...trust, spec: { ...trust.spec, caBundles } }, before, signal);
      throw error;
    }
  }
}

/** The MeshTrusts of ours. Throws `MeshAdapterError`. */
export async function readPresentTrust(
  { trusts, marks }: KumaWriter,
  signal: AbortSignal,
): Promise<readonly PresentTrust[]> {
  const ours = (await trusts.list(signal)).filter((trust) => isOwned(trust, marks));
  return ours.flatMap(({ name, trustDomain, pems }) =>
    isTrustDomain(trustDomain) ? [{ trustDomain, roots: rootsIn(pems), where: `MeshTrust ${name}` }] : [],
  );
}

/** We do not add to what others speak for: the product joins all MeshTrusts of one trust domain. */
function takenBy(
  others: readonly MeshTrust[],
  wanted: readonly TrustBundle[],
  marks: MeshTrustMarks,
): Set<string> {
  const names = new Set(others.map(({ name }) => name));
  const taken = new Set(others.map(({ trustDomain }) => trustDomain.toLowerCase()));
  for (const { trustDomain } of wanted)
    if (names.has(meshTrustNameOf(trustDomain, marks))) taken.add(trustDomain);
  return taken;
}

function presentKeys(ours: readonly MeshTrust[]): PresentKey[] {
  return ours.flatMap(({ name, trustDomain, pems }) => {
    try {
      const roots = ownRootsFromPem(pems, `MeshTrust ${name}`);
      return roots.map(({ keyFingerprint }) => ({ trustDomain, keyFingerprint }));
    } catch (error) {
      // Its content is malformed: treat it as empty and write it again.
      if (error instanceof MeshAdapterError) return [];
      throw error;
    }
  });
}

/**
 * MeshTrusts of others that break the configuration of every proxy of the mesh, ours with it
 *.
 */
function faultsOf(others: readonly MeshTrust[]): { readonly code: string; readonly message: string }[] {
  return others.flatMap(({ name, trustDomain, pems }) => {
    const quoted = JSON.stringify(trustDomain.slice(0, 80));
    if (!isTrustDomain(trustDomain))
      return [
        {
          code: 'foreign-entry-invalid',
          message: `the control plane can configure no proxy because MeshTrust ${name}, which is not ours, names ${quoted}, which is not a trust domain`,
        },
      ];
    try {
      ownRootsFromPem(pems, `MeshTrust ${name}`);
      return [];
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      return [
        {
          code: 'foreign-entry-invalid',
          message: `every proxy refuses its configuration because MeshTrust ${name}, which is not ours, holds something that is not a CA certificate`,
        },
      ];
    }
  });
}
