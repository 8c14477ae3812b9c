import type { Clock } from '../../platform/index.ts';
import {
  pemFromCertificates,
  type Pin,
  type TrustDomain,
  trustDomainOfDnsAnchor,
} from '../../spiffe/index.ts';
import { type Admission, refuseConstrained, refuseUnnarrowable } from '../contract/admission.ts';
import type { Anchor, Anchors } from '../contract/anchors.ts';
import type { ConfigMapName } from '../kubernetes/config-map.ts';
import { type ForeignObjectEffect, holdForeignObjects } from '../kubernetes/hold-foreign-objects.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { ForeignTrustReport, OwnTrust } from '../contract/mesh-adapter.ts';
import type { PropagationState } from '../contract/propagation-state.ts';
import type { TrustComparison } from '../contract/peer-writes.ts';
import type { PlaceLimits } from '../contract/place-peers.ts';
import { certificatesIn } from '../contract/present-anchors.ts';
import { fingerprintsOf, hasOthers, type PodAnchors } from './pod-anchors.ts';
import { anchorsTextOf, type LinkerdObjects, ownTrustOf, parseLinkerdValues } from './read-own-trust.ts';
import { sourcePlace } from './render.ts';
import { podsInEffect } from './stale-pods.ts';
import { examineBundle } from './trust-manager.ts';

/**
 * rustls gives up after a hundred signatures that do not match. Linkerd's roots are all called
 * `root.linkerd.cluster.local` unless the operator named them. The limit leaves room for the chains
 * below.
 */
const MAX_ROOTS_OF_ONE_NAME = 64;

/**
 * The injector gives every proxy all anchors in one environment variable. Linux starts no process
 * with a variable of 128 KiB or more, so beyond that no pod of the mesh would start. The limit
 * leaves room for the variable's name and for roots that are not known yet.
 */
const BYTES_OF_ANCHORS = 120 * 1024;
const BYTES_OF_PEER = 64 * 1024;

export interface LinkerdWriter {
  readonly client: KubernetesClient;
  readonly objects: LinkerdObjects;
  /** Where trust-manager looks for its sources. */
  readonly trustNamespace: string;
  readonly bundle: string;
  readonly namePrefix: string;
  readonly pins: readonly Pin[];
  readonly anchors: Anchors;
  readonly podAnchors: PodAnchors;
  /** Trust domains of workloads with Linkerd's DNS identities, which rustls can narrow. */
  readonly linkerdPeers: ReadonlySet<TrustDomain>;
  readonly unnarrowed: boolean;
  readonly clock: Clock;
}

const NOT_MERGED = {
  code: 'anchors-not-merged',
  message:
    'trust-manager has not put these anchors where new pods get them; where it stays so, see whether it runs',
};

const NOT_TAKEN_OUT = {
  code: 'anchors-not-taken-out',
  message:
    'trust-manager has not taken anchors that have ended from where new pods get them; where it stays so, see whether it runs',
};

/**
 * Makes trust-manager's namespace hold one ConfigMap of ours for each of these bundles. Reports
 * whether their anchors came into those that new pods get, and into every pod. Throws
 * `MeshAdapterError`.
 */
export async function writeForeignTrust(
  comparison: TrustComparison,
  writer: LinkerdWriter,
): Promise<ForeignTrustReport[]> {
  const { wanted, signal, reported, kept } = comparison;
  const { client, objects, anchors, pins, clock } = writer;
  const [config, roots] = await Promise.all([
    client.get(objects.config, signal),
    client.get(objects.roots, signal),
  ]);
  const values = parseLinkerdValues(config);
  const own = ownTrustOf(values, roots, pins);
  return await holdForeignObjects(wanted, {
    client,
    place: sourcePlace(writer.trustNamespace, writer.namePrefix),
    anchors,
    own,
    judge: (admission) => narrowable(admission, writer),
    pool: { maxRootsOfOneName: MAX_ROOTS_OF_ONE_NAME, speaksForNamesBelow: !writer.unnarrowed },
    limits: limitsBeside(own.roots),
    effect: () => effectOf(writer, values.externalCa, reported, signal),
    kept,
    writing: comparison,
    now: clock.now(),
    signal,
  });
}

/** The size that the anchors of all peers may have next to the own ones. */
function limitsBeside(own: OwnTrust['roots']): PlaceLimits {
  const ours = Buffer.byteLength(pemFromCertificates(own.map(({ der }) => der)));
  return { bytesOfPeer: BYTES_OF_PEER, bytesOfAll: Math.max(0, BYTES_OF_ANCHORS - ours) };
}

function narrowable(admission: Admission, { linkerdPeers, unnarrowed }: LinkerdWriter): Admission {
  if (unnarrowed) return admission;
  const { trustDomain } = admission.bundle;
  return linkerdPeers.has(trustDomain)
    ? refuseConstrained(admission)
    : refuseUnnarrowable(
        admission,
        `Linkerd's proxies cannot bind a root to SPIFFE IDs of ${trustDomain}; name it in linkerd_peers if its workloads have Linkerd identities`,
      );
}

/** How far anchors came, read after they were written. */
async function effectOf(
  { client, objects, bundle, namePrefix, unnarrowed, podAnchors }: LinkerdWriter,
  externalCa: boolean,
  reported: ReadonlySet<TrustDomain>,
  signal: AbortSignal,
): Promise<ForeignObjectEffect> {
  const roots = await client.get(objects.roots, signal);
  const anchorsText = anchorsTextOf(roots);
  const there = certificatesIn(anchorsText).map(({ certificate }) => certificate);
  const fingerprints = fingerprintsOf(there);
  const { namespace }: ConfigMapName = objects.roots;
  const [bundleNotes, pods] = await Promise.all([
    examineBundle(client, bundle, namePrefix, signal),
    podsInEffect(client, { namespace, roots, anchorsText, signal }),
  ]);
  // Unnarrowed anchors do not show their trust domain.
  const ours = new Map<TrustDomain, Set<string>>();
  for (const [trustDomain, certificates] of Map.groupBy(there, trustDomainOfDnsAnchor))
    if (trustDomain !== undefined) ours.set(trustDomain, fingerprintsOf(certificates));
  podAnchors.note(ours, pods.kind === 'not-all' && pods.areStale, reported);
  const merged = (anchors: readonly Anchor[]) =>
    anchors.every(({ fingerprint }) => fingerprints.has(fingerprint));
  const notesOf = (anchors: readonly Anchor[], trustDomain: TrustDomain) => [
    ...(externalCa
      ? []
      : [
          {
            code: 'external-ca-off',
            message:
              'Linkerd was installed without identity.externalCA, so its installation writes the anchors and not trust-manager',
          },
        ]),
    ...bundleNotes,
    ...(merged(anchors) ? [] : [NOT_MERGED]),
    ...(hasOthers(ours, anchors, trustDomain) ? [NOT_TAKEN_OUT] : []),
    ...(pods.kind === 'not-all' ? [pods.note] : []),
    ...(unnarrowed
      ? [{ code: 'root-not-narrowed', message: 'the root can speak for every identity of this mesh' }]
      : []),
  ];
  return {
    notesOf,
    hasEnded: (anchors, trustDomain) => hasOthers(podAnchors.left, anchors, trustDomain),
    standing: new Map<TrustDomain, PropagationState>([
      // What another agent has removed, that agent reports.
      ...[...podAnchors.trustDomains]
        .filter((name) => reported.has(name))
        .map((name) => [name, 'accepted'] as const),
      ...[...ours.keys()].map((name) => [name, 'written'] as const),
    ]),
    stateOf: (anchors, trustDomain) => {
      if (!merged(anchors) || hasOthers(ours, anchors, trustDomain)) return 'written';
      return pods.kind === 'all' ? 'in-effect' : 'accepted';
    },
  };
}
