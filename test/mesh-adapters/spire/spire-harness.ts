import { createSpireAdapter, type SpireAdapterOptions } from '../../../src/mesh-adapters/index.ts';
import { readableRoots, renderSpireBundle } from '../../../src/mesh-adapters/spire/render.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import { bundleOf, parseTrustDomain, type TrustBundle } from '../../../src/spiffe/index.ts';
import { FakeSpireServer } from '../../../testkit/fake-spire-server.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';

/** The trust domain of the server. */
export const trustDomain = parseTrustDomain('spire.example');

/** A bundle as SPIRE holds it. */
export const spireBundle = (bundle: TrustBundle) =>
  renderSpireBundle(bundle, bundle.x509Authorities, bundle.jwtAuthorities);

/** A relationship as an operator makes one. */
export const relationshipOf = (name: string) => ({
  trust_domain: name,
  bundle_endpoint_url: `https://${name}/`,
  https_web: {},
});

/** A SPIRE server of ours on a socket, with an adapter before it; what is given changes the adapter. */
export async function openSpire(more: Partial<SpireAdapterOptions> = {}) {
  const folder = tempDir();
  const own = await createTestCa({ trustDomain });
  const spire = new FakeSpireServer(spireBundle(own.bundle()));
  const socket = folder.file('api.sock');
  await spire.start({ socket });
  const create = (changes: Partial<SpireAdapterOptions> = {}) =>
    createSpireAdapter({
      access: { kind: 'socket', path: socket },
      pollMs: 5,
      ownedFile: folder.file('owned.json'),
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
    spire,
    folder,
    socket,
    own,
    trustDomain,
    addOwnRoot: async () => {
      const next = await createTestCa({ trustDomain });
      spire.own = spireBundle(bundleOf(trustDomain, [own.authority, next.authority]));
    },
    held: async () =>
      Object.fromEntries(
        [...spire.federated]
          .map(([name, bundle]): [string, string[]] => [
            name,
            readableRoots(bundle).map(({ keyFingerprint }) => keyFingerprint),
          ])
          .filter(([, keys]) => keys.length > 0),
      ),
    state: async () =>
      JSON.stringify(
        [spire.federated, spire.relationships].map((each) =>
          [...each].toSorted(([a], [b]) => (a < b ? -1 : 1)),
        ),
      ),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await spire.stop();
      folder[Symbol.dispose]();
    },
  };
}
