import type { Clock, Random } from '../../platform/index.ts';
import { isTrustDomain, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { type Admission, heldKeys, judgeForeignTrust, type PresentKey, rootsToHold } from '../admission.ts';
import { MeshAdapterError } from '../errors.ts';
import { reportOf } from '../foreign-report.ts';
import type { ForeignTrustReport, PresentTrust } from '../mesh-adapter.ts';
import { rootsIn } from '../present-anchors.ts';
import { ownRootsFromPem } from '../own-roots.ts';
import { retryConflicts } from '../retry-conflicts.ts';
import type { MeshTrust } from './mesh-trust.ts';
import type { MeshTrusts, WantedMeshTrust } from './mesh-trusts.ts';
import { ownTrustOf } from './read-own-trust.ts';
import { isOwned, type MeshTrustMarks, meshTrustNameOf, renderMeshTrust, says } from './render.ts';

export interface KumaWriter {
  readonly trusts: MeshTrusts;
  readonly marks: MeshTrustMarks;
  /** The own trust domain, where the config says it. */
  readonly expected: TrustDomain | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Makes the mesh hold one MeshTrust of ours for each of these bundles and none else of ours. What a control plane refuses
 * for one trust domain is told of that one. `told` were told of as more than gone so far. Throws `MeshAdapterError` where the
 * mesh cannot be read, or may not be written.
 */
export async function writeForeignTrust(
  wanted: readonly TrustBundle[],
  writer: KumaWriter,
  signal: AbortSignal,
  told: ReadonlySet<TrustDomain>,
  kept: ReadonlySet<TrustDomain>,
): Promise<ForeignTrustReport[]> {
  return await retryConflicts(() => writeOnce(wanted, writer, signal, told, kept), { ...writer, signal });
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

async function writeOnce(
  wanted: readonly TrustBundle[],
  { trusts, marks, expected, clock }: KumaWriter,
  signal: AbortSignal,
  told: ReadonlySet<TrustDomain>,
  kept: ReadonlySet<string>,
): Promise<ForeignTrustReport[]> {
  const found = await trusts.list(signal);
  const { own, ownAliases } = ownTrustOf(found, expected);
  const ours = found.filter((trust) => isOwned(trust, marks));
  const others = found.filter((trust) => trust.originKri === undefined && !isOwned(trust, marks));
  const held = heldKeys(presentKeys(ours), wanted);
  const now = clock.now();
  const admissions = judgeForeignTrust(wanted, {
    own,
    ownAliases,
    scope: 'per-trust-domain',
    taken: takenBy(others, wanted, marks),
    held,
    now,
  });
  const rendered = admissions.map((admission) => {
    const { trustDomain } = admission.bundle;
    const roots = rootsToHold(admission, held);
    return { admission, trust: roots.length === 0 ? undefined : renderMeshTrust(trustDomain, roots, marks) };
  });
  const names = new Set(rendered.flatMap(({ trust }) => trust?.name ?? []));
  const faults = faultsOf(others);
  // Where no proxy takes its configuration, each goes on with what it had.
  const [fault] = faults;
  const gone = new Set<TrustDomain>(fault ? told : []);
  // What must go goes first: trust that ended outlasts nothing that is new.
  for (const trust of ours) {
    if (names.has(trust.name) || kept.has(trust.trustDomain)) continue;
    await trusts.delete(trust, signal);
    const { trustDomain } = trust;
    if (isTrustDomain(trustDomain)) gone.add(trustDomain);
  }
  for (const { trustDomain } of wanted) gone.delete(trustDomain);
  const reports: ForeignTrustReport[] = [];
  for (const { admission, trust } of rendered) {
    const before = trust && ours.find(({ name }) => name === trust.name);
    reports.push(await hold(admission, trust, before));
  }
  const state = fault ? 'refused' : 'removed';
  return [
    ...reports,
    ...[...gone].map((trustDomain): ForeignTrustReport => ({ trustDomain, state, at: now, ...fault })),
  ];

  async function hold(
    admission: Admission,
    trust: WantedMeshTrust | undefined,
    before: MeshTrust | undefined,
  ): Promise<ForeignTrustReport> {
    const state = faults.length > 0 ? 'refused' : 'written';
    if (!trust || (before && says(before, trust))) return reportOf(admission, state, now, faults);
    try {
      const warnings = await trusts.put(trust, before, signal);
      const notes = warnings.map((message) => ({ code: 'mesh-warned', message: message.slice(0, 300) }));
      return reportOf(admission, state, now, [...faults, ...notes]);
    } catch (error) {
      if (!(error instanceof MeshAdapterError && error.code === 'mesh-refused')) throw error;
      const { code, message } = error;
      return { ...reportOf(admission, 'refused', now), state: 'refused', code, message };
    }
  }
}

/** What others speak for is not ours to add to: the product joins all MeshTrusts of one trust domain. */
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
      // Somebody spoiled it: it holds nothing, and is written anew.
      if (error instanceof MeshAdapterError) return [];
      throw error;
    }
  });
}

/** MeshTrusts of others that break the configuration of every proxy of the mesh, ours with it (mesh-surfaces §4). */
function faultsOf(others: readonly MeshTrust[]): { readonly code: string; readonly message: string }[] {
  return others.flatMap(({ name, trustDomain, pems }) => {
    const said = JSON.stringify(trustDomain.slice(0, 80));
    if (!isTrustDomain(trustDomain))
      return [
        {
          code: 'foreign-entry-invalid',
          message: `the control plane can configure no proxy because MeshTrust ${name}, which is not ours, is for ${said}, which is no trust domain`,
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
          message: `every proxy refuses its configuration because MeshTrust ${name}, which is not ours, holds something that is no CA certificate`,
        },
      ];
    }
  });
}
