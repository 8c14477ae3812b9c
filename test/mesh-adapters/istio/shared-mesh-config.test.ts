import { describe, expect, it } from 'vitest';
import { examineIstio } from '../../../src/mesh-adapters/index.ts';
import { parseMeshConfig } from '../../../src/mesh-adapters/istio/mesh-config-document.ts';
import { systemClock } from '../../../src/platform/index.ts';
import { FakeApiServer } from '../kubernetes/fake-api-server.ts';

const SHARED = `trustDomain: east.example
trustDomainAliases: [old.example]
defaultConfig: {proxyMetadata: {PROXY_CONFIG_XDS_AGENT: "true"}}
`;

describe('parseMeshConfig()', () => {
  it('reads a mesh config as istiod has it after the one that is applied before it', () => {
    const shared = parseMeshConfig(SHARED);
    expect(parseMeshConfig('enableTracing: true\n', shared)).toMatchObject({
      trustDomain: 'east.example',
      trustDomainAliases: ['old.example'],
      xdsAgent: true,
    });
    const off = 'defaultConfig: {proxyMetadata: {PROXY_CONFIG_XDS_AGENT: "false"}}\n';
    const other = `trustDomain: west.example\ntrustDomainAliases: [older.example]\n${off}`;
    expect(parseMeshConfig(other, shared)).toMatchObject({
      trustDomain: 'west.example',
      trustDomainAliases: ['older.example', 'old.example'],
      xdsAgent: false,
    });
    expect(parseMeshConfig('')).toMatchObject({ trustDomain: 'cluster.local', xdsAgent: false });
  });
});

describe('examineIstio()', () => {
  it('judges a mesh config together with the one that SHARED_MESH_CONFIG of its control plane names', async () => {
    await using api = new FakeApiServer();
    await api.start();
    api.put('istio', { mesh: 'enableTracing: true\n' });
    api.put('istio-shared', { mesh: SHARED });
    const examine = async () => {
      const { findings } = await examineIstio({
        kubernetes: api.source,
        systemNamespace: 'istio-system',
        clock: systemClock,
        signal: new AbortController().signal,
      });
      return findings
        .map(({ code }) => code)
        .filter((code) => /^(xds-agent-off|trust-domain-ambiguous|shared)/.test(code));
    };
    const deploy = (shared: string) =>
      api.putObject('/apis/apps/v1/namespaces/istio-system/deployments/istiod', {
        metadata: { labels: { app: 'istiod' } },
        spec: {
          template: {
            spec: {
              containers: [{ name: 'discovery', env: [{ name: 'SHARED_MESH_CONFIG', value: shared }] }],
            },
          },
        },
      });
    deploy('');
    expect(await examine()).toEqual(['xds-agent-off', 'trust-domain-ambiguous']);
    deploy('istio-shared');
    expect(await examine()).toEqual(['shared-mesh-config']);
  });
});
