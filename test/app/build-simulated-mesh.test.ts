import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { simulatedIstioConfigSchema } from '../../src/config/simulate-config.ts';
import { readConfig } from '../../src/config/read-config.ts';
import { buildSimulatedIstio } from '../../src/app/build-simulated-mesh.ts';
import { createIstioAdapter } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { createControlClient } from '../../src/demonstration/simulated-mesh/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const parts = { clock: systemClock, random: systemRandom, log: silentLog, environment: {} };
const BASE = {
  folder: 'state',
  control_socket: 'control.sock',
  trust_domain: 'istio.example',
  kubernetes_listen: '127.0.0.1:0',
  kubeconfig: 'agent.kubeconfig',
};

/** Starts it from a config file, has an adapter write a foreign root, and looks at what came of it. */
async function startWith(changes: object, systemNamespace: string) {
  const folder = tempDir();
  writeFileSync(folder.file('istio.yaml'), stringify({ ...BASE, ...changes }));
  const mesh = await buildSimulatedIstio(
    readConfig(folder.file('istio.yaml'), simulatedIstioConfigSchema),
    parts,
  );
  await mesh.start();
  const adapter = createIstioAdapter({
    kubernetes: { kind: 'kubeconfig', path: folder.file('agent.kubeconfig') },
    systemNamespace,
    meshConfigMap: 'istio',
    rootConfigMap: { namespace: systemNamespace, name: 'istio-ca-root-cert' },
    ...parts,
  });
  const apply = async (...names: string[]) => {
    const cas = await Promise.all(names.map((trustDomain) => createTestCa({ trustDomain })));
    return adapter.applyForeignTrust(
      cas.map((ca) => ca.bundle()),
      AbortSignal.timeout(10_000),
    );
  };
  return {
    folder,
    apply,
    status: () => createControlClient(folder.file('control.sock')).status(),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await mesh.stop();
      folder[Symbol.dispose]();
    },
  };
}

describe('buildSimulatedIstio()', () => {
  it('starts with the least config: foreign roots have effect, and no administrator exists', async () => {
    await using istio = await startWith({}, 'istio-system');
    expect(await istio.apply('west.example')).toMatchObject([{ state: 'written' }]);
    expect((await istio.status()).foreign).toMatchObject([{ trustDomain: 'west.example' }]);
    expect(existsSync(istio.folder.file('admin.kubeconfig'))).toBe(false);
  });

  it('takes namespace, aliases and the administrator from the config', async () => {
    await using istio = await startWith(
      {
        system_namespace: 'mesh',
        trust_domain_aliases: ['old.example'],
        admin_kubeconfig: 'admin.kubeconfig',
      },
      'mesh',
    );
    expect(await istio.apply('west.example', 'old.example')).toMatchObject([
      { state: 'written' },
      { state: 'refused', code: 'own-trust-domain-alias' },
    ]);
    const admin = istio.folder.file('admin.kubeconfig');
    expect(statSync(admin).mode & 0o777).toBe(0o600);
    expect(parse(readFileSync(admin, 'utf8'))).toMatchObject({ kind: 'Config' });
  });

  it('keeps foreign roots without effect when multiroot is off, as istiod does', async () => {
    await using istio = await startWith({ multiroot: false }, 'istio-system');
    expect(await istio.apply('west.example')).toMatchObject([{ state: 'written' }]);
    expect((await istio.status()).foreign).toEqual([]);
  });
});
