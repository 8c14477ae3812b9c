import { writeFileSync } from 'node:fs';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { startIstio } from '../simulated-mesh/support/meshes.ts';
import { systemClock } from '../../src/platform/index.ts';
import { FakeCluster } from '../mesh-adapters/consul/fake-cluster.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(['doctor', ...words], {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

function agentConfig(mesh: object): string {
  return JSON.stringify({
    ...plainAgentConfig(),
    mesh,
  });
}

describe('federate doctor', () => {
  it('tells findings of a Consul with what to do, and exit code 1', async () => {
    await using cluster = await FakeCluster.start();
    const { code, out } = await run('consul', '--address', cluster.url);
    expect(code).toBe(1);
    expect(out).toContain('[mesh-not-found]');
    expect(out).toContain('→');
  });

  it('gives the same as one JSON document, and exit code 0 when all that is wrong is known', async () => {
    await using cluster = await FakeCluster.start();
    const words = ['consul', '--address', cluster.url, '--output', 'json'];
    const { code, out } = await run(...words);
    const document = JSON.parse(out) as { healthy: boolean; mesh: string; findings: { code: string }[] };
    expect(code).toBe(1);
    expect(document).toMatchObject({ healthy: false, mesh: 'consul' });
    const ignored = [...new Set(document.findings.map((each) => each.code))].flatMap((each) => [
      '--ignore',
      each,
    ]);
    const again = await run(...words, ...ignored);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.out)).toMatchObject({
      healthy: true,
      findings: [],
      ignored: document.findings.length,
    });
  });

  it('finds the mesh by the config of its agent', async () => {
    using folder = tempDir();
    await using cluster = await FakeCluster.start();
    writeFileSync(folder.file('token'), 'secret-token');
    const config = folder.file('agent.yaml');
    writeFileSync(config, agentConfig({ kind: 'consul', address: cluster.url, token_file: 'token' }));
    await run('consul', '--config', config);
    expect(cluster.requests[0]).toMatchObject({ path: '/v1/connect/ca/roots', token: 'secret-token' });
    expect(await run('istio', '--config', config)).toMatchObject({ code: 2, out: '' });
  });

  it('looks at an Istio through a kubeconfig, and at the contexts it has', async () => {
    using folder = tempDir();
    const { mesh } = await startIstio(folder.path, { clock: systemClock });
    try {
      const words = ['istio', '--kubeconfig', folder.file('admin.kubeconfig')];
      const { code, out } = await run(...words);
      expect(code).toBe(0);
      expect(out).toContain('[kind-not-served]');
      expect(out).toContain('Nothing is wrong.');
      const elsewhere = await run(...words, '--namespace', 'elsewhere');
      expect(elsewhere.code).toBe(1);
      expect(elsewhere.out).toContain('[mesh-config-missing]');
      expect((await run(...words, '--context', 'none')).out).toContain('[credentials-unusable]');
    } finally {
      await mesh.stop();
    }
  });

  it.each([
    ['an address that is no URL', ['consul', '--address', 'localhost:8500']],
    ['an identity that is none', ['consul', '--identity', 'west.example/web']],
    ['a destination without an identity', ['consul', '--to', 'info']],
    ['a config that is not there', ['istio', '--config', '/nonexistent.yaml']],
    ['an unknown mesh', ['kuma']],
  ])('answers %s with exit code 2', async (_, words) => {
    const { code, err } = await run(...words);
    expect(code).toBe(2);
    expect(err).not.toBe('');
  });
});
