import type { Clock, Random } from '../../platform/index.ts';
import {
  CertificateError,
  certificatesFromPem,
  parseCertificate,
  PemError,
  type Pin,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import {
  type Admission,
  heldKeys,
  judgeForeignTrust,
  refuseConstrained,
  refuseUnnarrowable,
  rootsToHold,
} from '../admission.ts';
import type { Anchor, Anchors, PresentAnchor } from '../anchors.ts';
import { reportOf } from '../foreign-report.ts';
import type { ConfigMapName } from '../kubernetes/config-map.ts';
import {
  type ForeignObject,
  listForeignObjects,
  writeForeignObjects,
} from '../kubernetes/foreign-objects.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { ForeignTrustReport, PropagationState } from '../mesh-adapter.ts';
import { retryConflicts } from '../retry-conflicts.ts';
import { anchorsTextOf, type LinkerdObjects, ownTrustOf, parseLinkerdValues } from './read-own-trust.ts';
import { sourcePlace } from './render.ts';
import { podsInEffect } from './stale-pods.ts';
import { examineBundle, type Note } from './trust-manager.ts';

export interface LinkerdWriter {
  readonly client: KubernetesClient;
  readonly objects: LinkerdObjects;
  /** Where trust-manager looks for its sources. */
  readonly trustNamespace: string;
  readonly bundle: string;
  readonly namePrefix: string;
  readonly pins: readonly Pin[];
  readonly anchors: Anchors;
  /** Trust domains whose workloads have Linkerd's DNS identities, which rustls can narrow. */
  readonly linkerdPeers: ReadonlySet<TrustDomain>;
  readonly unnarrowed: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Makes trust-manager's namespace hold one ConfigMap of ours for each of these bundles, and tells how far their anchors came:
 * into the anchors that new pods get, and into every pod. Throws `MeshAdapterError`.
 */
export async function writeForeignTrust(
  wanted: readonly TrustBundle[],
  writer: LinkerdWriter,
  signal: AbortSignal,
): Promise<ForeignTrustReport[]> {
  return await retryConflicts(() => writeOnce(wanted, writer, signal), { ...writer, signal });
}

async function writeOnce(
  wanted: readonly TrustBundle[],
  writer: LinkerdWriter,
  signal: AbortSignal,
): Promise<ForeignTrustReport[]> {
  const { client, objects, anchors, clock } = writer;
  const place = sourcePlace(writer.trustNamespace, writer.namePrefix);
  const [config, roots, { ours, taken }] = await Promise.all([
    client.get(objects.config, signal),
    client.get(objects.roots, signal),
    listForeignObjects(client, place, signal),
  ]);
  const values = parseLinkerdValues(config);
  const present = ours.flatMap(presentAnchors);
  const held = heldKeys(
    present.map(({ trustDomain, certificate: { keyFingerprint } }) => ({ trustDomain, keyFingerprint })),
    wanted,
  );
  const now = clock.now();
  const admissions = judgeForeignTrust(wanted, {
    own: ownTrustOf(values, roots, writer.pins),
    ownAliases: [],
    scope: 'merged',
    taken,
    held,
    now,
  }).map((admission) => narrowable(admission, writer));
  const chosen = new Map<Admission, readonly Anchor[]>();
  for (const admission of admissions) {
    const { trustDomain } = admission.bundle;
    chosen.set(admission, await anchors.of(trustDomain, rootsToHold(admission, held), present));
  }
  const pems = new Map(
    [...chosen]
      .filter(([, each]) => each.length > 0)
      .map(([{ bundle }, each]) => [bundle.trustDomain, each.map(({ pem }) => pem).join('')] as const),
  );
  const occupied = await writeForeignObjects(client, place, ours, pems, signal);
  anchors.prune([...chosen.values()].flat());

  const effect = await effectOf(writer, values.externalCa, signal);
  const named = new Set(wanted.map(({ trustDomain }) => trustDomain));
  const gone = ours.flatMap(({ trustDomain }) =>
    trustDomain && !named.has(trustDomain) ? [trustDomain] : [],
  );
  return [
    ...[...chosen].map(([admission, each]): ForeignTrustReport => {
      const { trustDomain } = admission.bundle;
      const report = reportOf(admission, effect.stateOf(each), now, effect.notes);
      if (!occupied.has(trustDomain)) return report;
      const message = `a ConfigMap that is not ours has the name of ours for ${trustDomain}`;
      return { ...report, state: 'refused', code: 'trust-domain-taken', message };
    }),
    ...gone.map((trustDomain): ForeignTrustReport => {
      const [said] = effect.notes;
      return { trustDomain, state: 'removed', at: now, ...said };
    }),
  ];
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
  { client, objects, bundle, namePrefix, unnarrowed }: LinkerdWriter,
  externalCa: boolean,
  signal: AbortSignal,
): Promise<{
  readonly stateOf: (anchors: readonly Anchor[]) => PropagationState;
  readonly notes: readonly Note[];
}> {
  const anchorsText = anchorsTextOf(await client.get(objects.roots, signal));
  const there = fingerprintsIn(anchorsText);
  const { namespace }: ConfigMapName = objects.roots;
  const [bundleNotes, pods] = await Promise.all([
    examineBundle(client, bundle, namePrefix, signal),
    podsInEffect(client, { namespace, anchorsText, signal }),
  ]);
  const notes = [
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
    ...(pods.kind === 'not-all' ? [pods.note] : []),
    ...(unnarrowed
      ? [{ code: 'root-not-narrowed', message: 'the root can speak for every identity of this mesh' }]
      : []),
  ];
  return {
    notes,
    stateOf: (anchors) => {
      if (!anchors.every(({ fingerprint }) => there.has(fingerprint))) return 'written';
      return pods.kind === 'all' ? 'in-effect' : 'accepted';
    },
  };
}

function presentAnchors({ trustDomain, pem }: ForeignObject): PresentAnchor[] {
  if (trustDomain === undefined) return [];
  return certificatesIn(pem).map(({ certificate, pem: text }) => ({ trustDomain, pem: text, certificate }));
}

function fingerprintsIn(text: string): ReadonlySet<string> {
  return new Set(certificatesIn(text).map(({ certificate }) => certificate.fingerprint));
}

/** The certificates of a text that somebody may have spoiled; then none of them counts. */
function certificatesIn(text: string) {
  try {
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
    return blocks.flatMap((pem) =>
      certificatesFromPem(pem).map((der) => ({ pem, certificate: parseCertificate(der) })),
    );
  } catch (error) {
    if (error instanceof PemError || error instanceof CertificateError) return [];
    throw error;
  }
}
