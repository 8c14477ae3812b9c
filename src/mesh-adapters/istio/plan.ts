import { defined } from '../../objects/index.ts';
import { isTrustDomain, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { refuseConstrained } from '../contract/admission.ts';
import { chooseForeignTrust } from '../contract/choose-foreign-trust.ts';
import { reportOf } from '../contract/foreign-report.ts';
import type { ForeignTrustReport, OwnTrust } from '../contract/mesh-adapter.ts';
import type { PropagationState } from '../contract/propagation-state.ts';
import type { Anchor, Anchors, PresentAnchor } from '../contract/anchors.ts';
import { keysOfAnchors } from '../contract/present-anchors.ts';
import { type CaEntry, type MeshConfigDocument, parseMeshConfig } from './mesh-config-document.ts';
import { faultOf, type OwnEntries, ownAnchorOf, parseOwnEntries, renderOwnEntries } from './own-entries.ts';
import { bytesOfEntries, limitsOfEntries, type MeshConfigRoom } from './room.ts';
import { insertOwnEntries, removeOwnEntries } from './splice.ts';

/**
 * A mesh config with what was remembered of our entries in it; both are texts that are kept
 * somewhere.
 */
export interface RememberedConfig {
  readonly text: string;
  /** Undefined where nothing is remembered, or nothing needs remembering. */
  readonly memory: string | undefined;
}

/** Something worth knowing about a bundle in the mesh. */
export interface ReportNote {
  readonly code: string;
  readonly message: string;
}

/** The planned change of one mesh config. */
export interface Plan {
  /** The text to write, where it differs from the present one. */
  readonly change?: RememberedConfig;
  readonly chosen: readonly Anchor[];
  readonly reports: readonly ForeignTrustReport[];
}

interface Present {
  readonly own: readonly PresentAnchor[];
  /** How much of the text those of a trust domain are. */
  readonly ownBytes: ReadonlyMap<string, number>;
  readonly foreign: readonly CaEntry[];
  readonly memory: OwnEntries;
}

/** The anchors of ours that a mesh config holds. Throws `MeshAdapterError` `mesh-config-…`. */
export function ownAnchorsIn({ text, memory }: RememberedConfig): readonly PresentAnchor[] {
  return presentEntries(text, parseMeshConfig(text), memory).own;
}

/**
 * Plans the content of `caCertificates` next to entries of others, so that it has exactly the
 * anchors of these bundles. Writes nothing. Throws `MeshAdapterError` `mesh-config-…`, and what
 * `own` throws.
 */
export async function planForeignTrust(
  wanted: readonly TrustBundle[],
  held: RememberedConfig,
  options: {
    /** The own trust of a mesh with this config. */
    readonly own: (config: MeshConfigDocument) => OwnTrust;
    readonly anchors: Anchors;
    /** Anchors that stand elsewhere in the mesh, to reuse instead of making new ones. */
    readonly elsewhere: readonly PresentAnchor[];
    readonly unnarrowed: boolean;
    /** The bytes that the place of the config holds besides it. */
    readonly room: MeshConfigRoom;
    readonly notes: readonly ReportNote[];
    /**
     * Trust domains that the last report did not call gone. Where istiod refuses the config, it
     * keeps its previous trust in these.
     */
    readonly reported: ReadonlySet<TrustDomain>;
    /** Trust domains with anchors of ours that stay as they are. */
    readonly kept: ReadonlySet<string>;
    readonly now: Date;
  },
): Promise<Plan> {
  const { own, anchors, elsewhere, unnarrowed, room, notes: more, reported, kept, now } = options;
  const config = parseMeshConfig(held.text);
  const present = presentEntries(held.text, config, held.memory);
  // Kept entries stay in the text, as entries of others do.
  const replaced = [...present.ownBytes].filter(([trustDomain]) => !kept.has(trustDomain));
  const replacedBytes = replaced.reduce((sum, [, bytes]) => sum + bytes, 0);
  const limits = limitsOfEntries(room, Buffer.byteLength(held.text) - replacedBytes);
  const placed = await chooseForeignTrust(wanted, {
    own: own(config),
    ownAliases: config.trustDomainAliases,
    scope: 'merged',
    taken: new Set(present.foreign.flatMap(({ trustDomains }) => trustDomains)),
    present: keysOfAnchors(present.own),
    judge: (admission) => (unnarrowed ? admission : refuseConstrained(admission)),
    now,
    render: ({ bundle }, roots) => anchors.of(bundle.trustDomain, roots, [...present.own, ...elsewhere]),
    bytesOf: (each) => bytesOfEntries(each, limits),
    limits,
  });
  const admissions = placed.map(({ admission }) => admission);
  const chosen = placed.flatMap(({ rendered = [] }) => rendered);
  chosen.push(...present.own.flatMap((anchor) => keptAnchor(anchor, kept)));
  chosen.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  const change = changeOf(held.text, present, chosen);
  const { state, notes } = whatIstioWillDo(config, present.foreign, unnarrowed);
  const named = new Set<string>(wanted.map(({ trustDomain }) => trustDomain));
  const refused = state === 'refused';
  const before = [...present.own.map(({ trustDomain }) => trustDomain), ...(refused ? reported : [])];
  const gone = new Set(before.filter((each) => !named.has(each) && !kept.has(each)));
  const [firstNote] = refused ? notes : [];
  return {
    ...defined({ change }),
    chosen,
    reports: [
      ...admissions.map((admission) => reportOf(admission, state, now, [...notes, ...more])),
      ...[...gone]
        .filter((each) => isTrustDomain(each))
        .map(
          (trustDomain): ForeignTrustReport => ({
            trustDomain,
            state: refused ? 'refused' : 'removed',
            at: now,
            ...firstNote,
          }),
        ),
    ],
  };
}

/**
 * An anchor that stays as it is. Its real root was noted when it was written, and does not matter
 * here.
 */
function keptAnchor(
  { trustDomain, pem, certificate: { fingerprint } }: PresentAnchor,
  kept: ReadonlySet<string>,
): Anchor[] {
  if (!kept.has(trustDomain) || !isTrustDomain(trustDomain)) return [];
  return [{ trustDomain, pem, fingerprint, rootFingerprint: fingerprint }];
}

function presentEntries(text: string, { list }: MeshConfigDocument, annotation: string | undefined): Present {
  const memory = parseOwnEntries(annotation);
  const own: PresentAnchor[] = [];
  const ownBytes = new Map<string, number>();
  const foreign: CaEntry[] = [];
  for (const entry of list?.entries ?? []) {
    const anchor = ownAnchorOf(entry, memory);
    if (!anchor) {
      foreign.push(entry);
      continue;
    }
    own.push(anchor);
    const bytes = Buffer.byteLength(text.slice(entry.from, entry.to));
    ownBytes.set(anchor.trustDomain, (ownBytes.get(anchor.trustDomain) ?? 0) + bytes);
  }
  return { own, ownBytes, foreign, memory };
}

function orderOf({ trustDomain, rootFingerprint }: Anchor): string {
  return `${trustDomain} ${rootFingerprint}`;
}

/** The text to write, or undefined where the config already has the wanted content. */
function changeOf(
  text: string,
  { own, memory }: Present,
  chosen: readonly Anchor[],
): RememberedConfig | undefined {
  const before = own.map(({ trustDomain, certificate }) => `${trustDomain} ${certificate.fingerprint}`);
  const after = chosen.map(({ trustDomain, fingerprint }) => `${trustDomain} ${fingerprint}`);
  const same = before.toSorted().join() === after.toSorted().join();
  const known =
    chosen.length === memory.fingerprints.size &&
    chosen.every(({ fingerprint }) => memory.fingerprints.has(fingerprint));
  if (same && known) return undefined;
  const change = (value: string, origin: OwnEntries['origin']) => ({
    text: value,
    memory: chosen.length === 0 ? undefined : renderOwnEntries(chosen, origin),
  });
  // Our entries are right; only the memory of them is lost.
  if (same) return change(text, memory.origin);
  const without = removeOwnEntries(text, (entry) => ownAnchorOf(entry, memory) !== undefined, memory.origin);
  const spliced = insertOwnEntries(without, chosen);
  return change(spliced.text, spliced.origin);
}

/** Predicts how istiod will react to the config. See docs/meshes/istio.md. */
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
