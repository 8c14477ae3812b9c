import { writeFileSync } from 'node:fs';
import { plainAgentConfig } from '../../../testkit/agent-config.ts';
import { describe, expect, it } from 'vitest';
import { federationGateway } from '../../../src/config/mesh/federation-gateway.ts';
import { gatewayBootstrap } from '../../../src/envoy/federation-gateway/bootstrap.ts';
import { main } from '../../../src/cli/main.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';

const OWN = parseTrustDomain('11111111-1111-1111-1111-111111111111.consul');
const good = {
  sds_socket: 'sds.sock',
  listen: '0.0.0.0:15443',
  identities: [
    { spiffe_id: 'spiffe://west.example/ns/shop/sa/web', service: 'west-web' },
    { spiffe_id: 'spiffe://east.example/ns/shop/sa/web', service: 'east-web' },
  ],
  routes: [
    { sni: 'info.federated', service: 'info', address: '10.0.0.5:21000' },
    { sni: 'db.federated', service: 'db', address: 'db.internal:21000', protocol: 'tcp' },
  ],
};
const mistakes = (config: object) =>
  (federationGateway.safeParse(config).error?.issues ?? []).map(({ path }) => path.join('.'));

describe('mesh.federation_gateway', () => {
  it('takes identities and routes', () => {
    expect(mistakes(good)).toEqual([]);
  });

  it.each<[string, string, object]>([
    [
      'two identities behind one service',
      'identities.1.service',
      { identities: [good.identities[0], { ...good.identities[1], service: 'west-web' }] },
    ],
    [
      'an identity listed twice',
      'identities.1.spiffe_id',
      { identities: [good.identities[0], { ...good.identities[0], service: 'x' }] },
    ],
    [
      'an identity behind the gateway’s own service',
      'identities.0.service',
      { identities: [{ ...good.identities[0], service: 'federation-gateway' }] },
    ],
    [
      'an identity that is none',
      'identities.0.spiffe_id',
      { identities: [{ spiffe_id: 'west.example/web', service: 'x' }] },
    ],
    [
      'a service name with a slash',
      'identities.0.service',
      { identities: [{ ...good.identities[0], service: 'a/b' }] },
    ],
    ['a server name routed twice', 'routes.1.sni', { routes: [good.routes[0], good.routes[0]] }],
    [
      'a destination that stands for a foreign identity',
      'routes.0.service',
      { routes: [{ ...good.routes[0], service: 'west-web' }] },
    ],
    [
      'a server name with a wildcard',
      'routes.0.sni',
      { routes: [{ ...good.routes[0], sni: '*.federated' }] },
    ],
    ['an address without a port', 'routes.0.address', { routes: [{ ...good.routes[0], address: 'info' }] }],
    ['connections of a day', 'max_connection_age', { max_connection_age: '24h' }],
    ['nobody', 'identities', { identities: [] }],
    [
      'more clusters than a gateway should hold',
      'routes',
      {
        identities: Array.from({ length: 100 }, (_, n) => ({
          spiffe_id: `spiffe://west.example/w${n}`,
          service: `w${n}`,
        })),
        routes: Array.from({ length: 100 }, (_, n) => ({
          sni: `s${n}.federated`,
          service: `s${n}`,
          address: 'x:1',
        })),
      },
    ],
  ])('refuses %s', (_, where, change) => {
    expect(mistakes({ ...good, ...change })).toEqual([where]);
  });
});

describe('gatewayBootstrap()', () => {
  const bootstrap = JSON.stringify(
    gatewayBootstrap({
      gateway: federationGateway.parse(good),
      sdsSocket: '/run/sds.sock',
      trustDomain: OWN,
    }),
    undefined,
    2,
  );

  it('renders one Envoy bootstrap that holds no key and no root', async () => {
    await expect(`${bootstrap}\n`).toMatchFileSnapshot(
      '../../../fixtures/mesh/consul/federation-gateway/bootstrap.json',
    );
    expect(bootstrap).not.toContain('-----BEGIN');
  });

  it('needs no newer version of Envoy where only HTTP is routed', () => {
    const [http] = good.routes;
    const only = JSON.stringify(
      gatewayBootstrap({
        gateway: federationGateway.parse({ ...good, routes: [http] }),
        sdsSocket: '/run/sds.sock',
        trustDomain: OWN,
      }),
    );
    expect(only).not.toContain('internal_listener');
    expect(bootstrap).toContain('internal_listener');
  });
});

describe('federate export-config --for consul-gateway', () => {
  const run = async (...words: string[]) => {
    const out: string[] = [];
    const err: string[] = [];
    const terminal = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
    const code = await main(['export-config', ...words], terminal);
    return { code, out: out.join('\n'), err: err.join('\n') };
  };
  const agent = (mesh: object, more: object = { trust_domain: OWN }) =>
    JSON.stringify({
      ...plainAgentConfig(),
      admin_socket: 'admin.sock',

      mesh,
      ...more,
    });

  it('prints the bootstrap of the gateway that the config describes', async () => {
    using folder = tempDir();
    const file = folder.file('agent.yaml');
    writeFileSync(
      file,
      agent({ kind: 'consul', address: 'http://127.0.0.1:8500', federation_gateway: good }),
    );
    const { code, out } = await run('--for', 'consul-gateway', '--config', file);
    expect(code).toBe(0);
    expect(out).toContain(folder.file('sds.sock'));
    expect(JSON.parse(out)).toHaveProperty('static_resources.listeners');
  });

  it.each<[string, number, object, object?]>([
    ['a config without a gateway', 2, { kind: 'consul', address: 'http://127.0.0.1:8500' }],
    ['a config of another mesh', 2, { kind: 'istio' }],
    [
      'an unknown own trust domain while the agent is down',
      3,
      { kind: 'consul', address: 'http://127.0.0.1:8500', federation_gateway: good },
      {},
    ],
  ])('answers %s with exit code %i', async (_, expected, mesh, more) => {
    using folder = tempDir();
    const file = folder.file('agent.yaml');
    writeFileSync(file, agent(mesh, more));
    const { code, err } = await run('--for', 'consul-gateway', '--config', file);
    expect(code).toBe(expected);
    expect(err).not.toBe('');
  });

  it('requires --config, and only for this target', async () => {
    expect((await run('--for', 'consul-gateway')).code).toBe(2);
    expect((await run('--for', 'spire', '--config', 'x')).code).toBe(2);
  });
});
