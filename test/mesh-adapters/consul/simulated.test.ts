import { expect, it } from 'vitest';
import { createConsulAdapter } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import { parseCaller } from '../../../src/services/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import { importedService } from '../../../testkit/imported-services.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { startConsul } from '../../simulated-mesh/support/meshes.ts';

const { signal } = new AbortController();
const WEST = parseTrustDomain('west.example');

it('reads, exports, imports and allows at the simulated Consul, and leaves no trace', async () => {
  using folder = tempDir();
  const { mesh, url } = await startConsul(folder.path, {
    clock: systemClock,
    intentionDefault: 'deny',
    workloads: [
      {
        name: 'info',
        service: 'info',
        sdsSocket: folder.file('info.sock'),
        proxy: { address: { host: '127.0.0.1', port: 21000 }, localPort: 8080 },
      },
    ],
  });
  const options = { address: url, clock: systemClock, random: systemRandom, log: silentLog };
  const adapter = createConsulAdapter(options);
  const { services } = adapter;
  if (!services) throw new TypeError('the Consul adapter knows services');
  const west = await createTestCa({ trustDomain: WEST });
  await adapter.applyForeignTrust([west.bundle()], signal);
  const [service] = await services.readServices(signal);
  if (!service) throw new TypeError('the simulated Consul has a service');
  expect(service).toMatchObject({ id: 'info', spiffeIds: [expect.stringContaining('/svc/info')] });
  const entries = async () =>
    await Promise.all(
      ['exported-services', 'service-intentions'].map(
        async (kind) => (await (await fetch(`${url}/v1/config/${kind}`)).json()) as unknown,
      ),
    );
  const before = await entries();
  const rule = {
    id: 'read',
    effect: 'allow' as const,
    callers: [parseCaller('spiffe://west.example/ns/default/dc/dc1/svc/web')],
  };
  const policy = { service: { id: service.id, ports: service.ports }, rules: [rule] };
  const placement = { namespace: '', labels: {}, peerNames: {} };
  const imports = await services.applyImports([importedService()], signal);
  expect(imports).toMatchObject([{ state: 'accepted' }]);
  expect(await services.applyImports([importedService()], signal)).toMatchObject([{ state: 'accepted' }]);
  const exported = await services.applyExports([{ service, consumers: [WEST] }], signal);
  expect(exported).toMatchObject([{ state: 'accepted' }]);
  const access = await services.applyAccess([{ policy, placement }], signal);
  expect(access).toMatchObject([{ state: 'accepted' }]);
  expect(await entries()).not.toEqual(before);
  await services.applyImports([], signal);
  await services.applyExports([], signal);
  await services.applyAccess([], signal);
  expect(await entries()).toEqual(before);
  await adapter.stop();
  await mesh.stop();
});
