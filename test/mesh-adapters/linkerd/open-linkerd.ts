import { createLinkerdAdapter, type LinkerdAdapterOptions } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import {
  certificatesFromPem,
  parseCertificate,
  parseTrustDomain,
  pemFromCertificates,
} from '../../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';
import { FakeLinkerd } from './fake-linkerd.ts';

const trustDomain = parseTrustDomain('linkerd.example');
/** The content of ConfigMap `linkerd-config`. */
export const VALUES =
  'clusterDomain: cluster.local\nidentityTrustDomain: linkerd.example\nidentity: {externalCA: true}\n';
const PEERS = ['west.example', 'north.example', 'thief.example', 'a-copycat.example'].map((name) =>
  parseTrustDomain(name),
);
/** PEM of the roots of these CAs. */
export const pemOf = (...cas: readonly TestCa[]) => pemFromCertificates(cas.map(({ root }) => root));

/** A Linkerd mesh with trust-manager, and our adapter. */
export async function openLinkerd(more: Partial<LinkerdAdapterOptions> = {}) {
  const linkerd = new FakeLinkerd();
  await linkerd.start(VALUES);
  const own = await createTestCa({ trustDomain });
  linkerd.putOwn(pemOf(own));
  const create = (changes: Partial<LinkerdAdapterOptions> = {}) =>
    createLinkerdAdapter({
      kubernetes: linkerd.api.source,
      namespace: 'linkerd',
      trustNamespace: 'cert-manager',
      bundle: 'linkerd-identity-trust-roots',
      namePrefix: 'federate-',
      pins: [],
      linkerdPeers: PEERS,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      ...more,
      ...changes,
    });
  const adapter = create();
  return {
    adapter,
    create,
    linkerd,
    own,
    trustDomain,
    addOwnRoot: async () => linkerd.putOwn(pemOf(own, await createTestCa({ trustDomain }))),
    /** By the anchors that pods get; the sources show their owners. */
    held: async () => {
      const anchors = new Set(
        certificatesFromPem(linkerd.anchors).map((der) => parseCertificate(der).fingerprint),
      );
      const held: Record<string, string[]> = {};
      for (const { metadata, ...object } of Object.values(linkerd.sources)) {
        const { data } = object as unknown as { data: Record<string, string> };
        const keys = certificatesFromPem(data['ca-bundle.crt'] ?? '').map(parseCertificate);
        held[metadata.annotations?.['federate.dev/trust-domain'] ?? ''] = keys
          .filter(({ fingerprint }) => anchors.has(fingerprint))
          .map(({ keyFingerprint }) => keyFingerprint);
      }
      return held;
    },
    state: async () =>
      JSON.stringify([
        linkerd.anchors,
        Object.values(linkerd.sources).map((object) => ({
          ...object,
          metadata: { ...object.metadata, resourceVersion: '' },
        })),
      ]),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await linkerd[Symbol.asyncDispose]();
    },
  };
}
