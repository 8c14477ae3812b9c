import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { Admission, AdmissionContext } from '../contract/admission.ts';
import type { Anchor, Anchors } from '../contract/anchors.ts';
import { chooseForeignTrust } from '../contract/choose-foreign-trust.ts';
import { reportOf } from '../contract/foreign-report.ts';
import type { ForeignTrustReport, OwnTrust } from '../contract/mesh-adapter.ts';
import type { PropagationState } from '../contract/propagation-state.ts';
import type { PlaceLimits } from '../contract/place-peers.ts';
import { PeerWrites, type PeerWriting } from '../contract/peer-writes.ts';
import { certificatesIn, keysOfAnchors } from '../contract/present-anchors.ts';
import { type ForeignObjectPlace, listForeignObjects, writeForeignObjects } from './foreign-objects.ts';
import type { KubernetesClient } from './kubernetes-client.ts';

interface ForeignObjectNote {
  readonly code: string;
  readonly message: string;
}

/** What is known of the effect once the objects are written. */
export interface ForeignObjectEffect {
  readonly stateOf: (anchors: readonly Anchor[], trustDomain: TrustDomain) => PropagationState;
  /**
   * Notes about the pool where it should hold these roots for the trust domain and no others, the
   * most serious first.
   */
  readonly notesOf: (anchors: readonly Anchor[], trustDomain: TrustDomain) => readonly ForeignObjectNote[];
  /**
   * Trust domains with removed anchors that verifiers may still have, and the state of each, where
   * verifiers read another place than ours.
   */
  readonly standing?: ReadonlyMap<TrustDomain, PropagationState>;
  /** Whether they may have others than these for the trust domain. */
  readonly hasEnded?: (anchors: readonly Anchor[], trustDomain: TrustDomain) => boolean;
}

/**
 * Judges what is wanted for a merged pool, and makes the cluster hold one object of ours for each
 * trust domain that may be there, with its anchors. Throws `MeshAdapterError`: `mesh-conflict`
 * where another writer was faster, unless this is the last try.
 */
export async function holdForeignObjects(
  wanted: readonly TrustBundle[],
  options: {
    readonly client: KubernetesClient;
    readonly place: ForeignObjectPlace;
    readonly anchors: Anchors;
    readonly own: OwnTrust;
    /** A further judgement, of what this pool can narrow. */
    readonly judge: (admission: Admission) => Admission;
    /** The properties of the verifiers of this pool. */
    readonly pool?: Pick<AdmissionContext, 'maxRootsOfOneName' | 'speaksForNamesBelow'>;
    readonly limits: PlaceLimits;
    readonly effect: () => Promise<ForeignObjectEffect>;
    readonly writing: PeerWriting;
    /** Trust domains with objects of ours that stay as they are. */
    readonly kept: ReadonlySet<TrustDomain>;
    readonly now: Date;
    readonly signal: AbortSignal;
  },
): Promise<ForeignTrustReport[]> {
  const {
    client,
    place,
    anchors,
    own,
    judge,
    pool = {},
    limits,
    effect,
    kept,
    writing,
    now,
    signal,
  } = options;
  const { ours, taken } = await listForeignObjects(client, place, signal);
  const present = ours.flatMap(({ trustDomain, pem }) =>
    trustDomain === undefined ? [] : certificatesIn(pem).map((each) => ({ trustDomain, ...each })),
  );
  const placed = await chooseForeignTrust(wanted, {
    own,
    scope: 'merged',
    taken,
    present: keysOfAnchors(present),
    judge,
    now,
    ...pool,
    render: ({ bundle }, roots) => anchors.of(bundle.trustDomain, roots, present),
    bytesOf: (each) => Buffer.byteLength(pemOf(each)),
    limits,
  });
  const chosen = new Map(placed.map(({ admission, rendered = [] }) => [admission, rendered]));
  const there = new Set(present.map(({ certificate: { fingerprint } }) => fingerprint));
  const objects = new Map(
    [...chosen]
      .filter(([, each]) => each.length > 0)
      .map(
        ([{ bundle }, each]) =>
          [
            bundle.trustDomain,
            { pem: pemOf(each), standing: pemOf(each.filter(({ fingerprint }) => there.has(fingerprint))) },
          ] as const,
      ),
  );
  const writes = new PeerWrites(signal, writing);
  const { occupied, lingering } = await writeForeignObjects(
    client,
    place,
    ours,
    objects,
    kept,
    writes,
    signal,
  );
  writes.finish();
  anchors.prune([...chosen.values()].flat());

  const {
    stateOf,
    notesOf,
    standing = new Map<TrustDomain, PropagationState>(),
    hasEnded = () => false,
  } = await effect();
  const named = new Set(wanted.map(({ trustDomain }) => trustDomain));
  const ourNames = ours.flatMap(({ trustDomain }) => (trustDomain === undefined ? [] : [trustDomain]));
  const goneOrGoing = [...new Set([...ourNames, ...standing.keys()])].filter(
    (trustDomain) => !named.has(trustDomain) && !taken.has(trustDomain) && !kept.has(trustDomain),
  );
  return [
    ...[...chosen].map(([admission, each]): ForeignTrustReport => {
      const { trustDomain } = admission.bundle;
      const report = {
        ...reportOf(admission, stateOf(each, trustDomain), now, notesOf(each, trustDomain)),
        endedRootsStand: hasEnded(each, trustDomain),
      };
      const fault = writes.faultOf(trustDomain);
      // A refusal of ours is the reason for what we wrote.
      if (fault && !admission.refusal) return { ...report, ...fault, endedRootsStand: true };
      if (fault) return { ...report, state: fault.state, endedRootsStand: true };
      if (lingering.has(trustDomain)) return { ...report, ...lingers(place, trustDomain) };
      if (!occupied.has(trustDomain)) return report;
      const message = `a ${place.collection.kind} that is not ours has the name of ours for ${trustDomain}`;
      return { ...report, state: 'refused', code: 'trust-domain-taken', message };
    }),
    ...goneOrGoing.map((trustDomain): ForeignTrustReport => {
      const fault = writes.faultOf(trustDomain);
      if (fault) return { trustDomain, at: now, ...fault };
      if (lingering.has(trustDomain)) return { trustDomain, at: now, ...lingers(place, trustDomain) };
      const [note] = notesOf([], trustDomain);
      return { trustDomain, state: standing.get(trustDomain) ?? 'removed', at: now, ...note };
    }),
  ];
}

function pemOf(anchors: readonly Anchor[]): string {
  return anchors.map(({ pem }) => pem).join('');
}

function lingers({ collection }: ForeignObjectPlace, trustDomain: TrustDomain) {
  return {
    state: 'failed',
    code: 'mesh-not-gone',
    message: `the ${collection.kind} of ${trustDomain} is deleted, and stays with its content until its finalizers are taken away`,
    endedRootsStand: true,
  } as const;
}
