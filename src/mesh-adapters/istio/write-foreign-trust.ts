import type { Clock, Random } from '../../platform/index.ts';
import { isTrustDomain, parseCertificate, type TrustBundle } from '../../spiffe/index.ts';
import { type Admission, heldKeys, judgeForeignTrust, rootsToHold } from '../admission.ts';
import { reportOf } from '../foreign-report.ts';
import type { ForeignTrustReport, PropagationState } from '../mesh-adapter.ts';
import { retryConflicts } from '../retry-conflicts.ts';
import type { Anchor, Anchors, PresentAnchor } from './anchors.ts';
import { type ConfigMap, withChanges } from '../kubernetes/config-map.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { type CaEntry, type MeshConfigDocument, parseMeshConfig } from './mesh-config-document.ts';
import {
  faultOf,
  OWN_ENTRIES_ANNOTATION,
  type OwnEntries,
  ownAnchorOf,
  parseOwnEntries,
  renderOwnEntries,
} from './own-entries.ts';
import { type IstioObjects, MESH_KEY, meshTextOf, ownTrustOf } from './read-own-trust.ts';
import { insertOwnEntries, removeOwnEntries } from './splice.ts';

export interface IstioWriter {
  readonly client: KubernetesClient;
  readonly objects: IstioObjects;
  readonly anchors: Anchors;
  readonly unnarrowed: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Makes `caCertificates` hold exactly the anchors of these bundles beside what is not ours. The object is read and
 * replaced by its version; where somebody was faster it is read again. Nothing is written where nothing changes.
 * Throws `MeshAdapterError`.
 */
export async function writeForeignTrust(
  wanted: readonly TrustBundle[],
  writer: IstioWriter,
  signal: AbortSignal,
): Promise<ForeignTrustReport[]> {
  return await retryConflicts(() => writeOnce(wanted, writer, signal), { ...writer, signal });
}

interface Present {
  readonly own: readonly PresentAnchor[];
  readonly foreign: readonly CaEntry[];
  readonly said: OwnEntries;
}

async function writeOnce(
  wanted: readonly TrustBundle[],
  writer: IstioWriter,
  signal: AbortSignal,
): Promise<ForeignTrustReport[]> {
  const { client, objects, anchors, clock } = writer;
  const [mesh, roots] = await Promise.all([
    client.get(objects.mesh, signal),
    client.get(objects.roots, signal),
  ]);
  const text = meshTextOf(mesh);
  const config = parseMeshConfig(text);
  const present = presentEntries(config, mesh.metadata.annotations?.[OWN_ENTRIES_ANNOTATION]);
  const now = clock.now();
  const held = heldKeys(
    present.own.map(({ trustDomain, certificate: { keyFingerprint } }) => ({ trustDomain, keyFingerprint })),
    wanted,
  );
  const admissions = judgeForeignTrust(wanted, {
    own: ownTrustOf(config, roots),
    ownAliases: config.trustDomainAliases,
    scope: 'merged',
    taken: new Set(present.foreign.flatMap(({ trustDomains }) => trustDomains)),
    held,
    now,
  }).map((admission) => (writer.unnarrowed ? admission : refuseConstrained(admission)));

  const chosen: Anchor[] = [];
  for (const admission of admissions) {
    const { trustDomain } = admission.bundle;
    chosen.push(...(await anchors.of(trustDomain, rootsToHold(admission, held), present.own)));
  }
  chosen.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  const changed = changedObject(mesh, text, present, chosen);
  if (changed) await client.replace(changed, signal);
  anchors.prune(chosen);

  const { state, notes } = whatIstioWillDo(config, present.foreign, writer.unnarrowed);
  const named = new Set<string>(wanted.map(({ trustDomain }) => trustDomain));
  const gone = new Set(present.own.map(({ trustDomain }) => trustDomain).filter((each) => !named.has(each)));
  return [
    ...admissions.map((admission) => reportOf(admission, state, now, notes)),
    ...[...gone]
      .filter((each) => isTrustDomain(each))
      .map((trustDomain): ForeignTrustReport => ({ trustDomain, state: 'removed', at: now })),
  ];
}

function presentEntries({ list }: MeshConfigDocument, annotation: string | undefined): Present {
  const said = parseOwnEntries(annotation);
  const own: PresentAnchor[] = [];
  const foreign: CaEntry[] = [];
  for (const entry of list?.entries ?? []) {
    const anchor = ownAnchorOf(entry, said);
    if (anchor) own.push(anchor);
    else foreign.push(entry);
  }
  return { own, foreign, said };
}

/** An anchor states constraints of ours in the place of the root's own, so a root that has some cannot be narrowed. */
function refuseConstrained(admission: Admission): Admission {
  const constrained = admission.roots.find((root) => parseCertificate(root.der).extensions.nameConstraints);
  if (!constrained || admission.refusal) return admission;
  const message = `root ${JSON.stringify(constrained.subject)} has name constraints of its own, which a narrowed anchor would lift`;
  return { ...admission, roots: [], refusal: { code: 'root-constrained', message } };
}

function orderOf({ trustDomain, rootFingerprint }: Anchor): string {
  return `${trustDomain} ${rootFingerprint}`;
}

/** The object to be written, or undefined where it says all that already. */
function changedObject(
  mesh: ConfigMap,
  text: string,
  { own, said }: Present,
  chosen: readonly Anchor[],
): ConfigMap | undefined {
  const before = own.map(({ trustDomain, certificate }) => `${trustDomain} ${certificate.fingerprint}`);
  const after = chosen.map(({ trustDomain, fingerprint }) => `${trustDomain} ${fingerprint}`);
  const same = before.toSorted().join() === after.toSorted().join();
  const known =
    chosen.length === said.fingerprints.size &&
    chosen.every(({ fingerprint }) => said.fingerprints.has(fingerprint));
  if (same && known) return undefined;
  const change = (value: string, origin: OwnEntries['origin']) =>
    withChanges(mesh, {
      key: MESH_KEY,
      value,
      annotation: OWN_ENTRIES_ANNOTATION,
      said: chosen.length === 0 ? undefined : renderOwnEntries(chosen, origin),
    });
  // Our entries stand as they should, only the annotation was lost.
  if (same) return change(text, said.origin);
  const without = removeOwnEntries(text, (entry) => ownAnchorOf(entry, said) !== undefined, said.origin);
  const spliced = insertOwnEntries(without, chosen);
  return change(spliced.text, spliced.origin);
}

/** What can be seen of what istiod will make of it (mesh-surfaces §1 rule 8, §2). */
function whatIstioWillDo(
  config: MeshConfigDocument,
  foreign: readonly CaEntry[],
  unnarrowed: boolean,
): { readonly state: PropagationState; readonly notes: { code: string; message: string }[] } {
  const notes: { code: string; message: string }[] = [];
  for (const entry of foreign) {
    const fault = faultOf(entry);
    if (fault === undefined) continue;
    const whose = entry.trustDomains.join(', ') || 'no trust domain';
    notes.push({
      code: 'foreign-entry-invalid',
      message: `istiod refuses the whole of caCertificates because of an entry for ${whose} that is not ours: ${fault}`,
    });
  }
  const state = notes.length > 0 ? 'refused' : 'written';
  if (!config.xdsAgent) {
    notes.push({
      code: 'xds-agent-off',
      message:
        'proxies take foreign roots only with PROXY_CONFIG_XDS_AGENT "true" in defaultConfig.proxyMetadata of the mesh config, and a restart of their pods',
    });
  }
  if (unnarrowed)
    notes.push({
      code: 'root-not-narrowed',
      message: 'the root can speak for every trust domain of this mesh',
    });
  return { state, notes };
}
