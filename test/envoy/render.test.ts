import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config/index.ts';
import { renderEnvoy } from '../../src/envoy/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const GOLDEN = '../../fixtures/envoy';

const SIDECAR = `
sds_socket: /run/mesh/workload.sock
inbound: { listen: "0.0.0.0:8443", forward_to: "127.0.0.1:8080", allow: ["spiffe://b.example/caller"] }
outbound:
  - listen: "127.0.0.1:9001"
    to: "gateway.a.example:8443"
    server_name: info.b.example
    expect: ["spiffe://b.example/info"]
`;

async function render(text: string, trust: Parameters<typeof renderEnvoy>[1] = {}, routes = '{}') {
  using folder = tempDir();
  writeFileSync(folder.file('routes.yaml'), routes);
  writeFileSync(folder.file('c.yaml'), text);
  return await renderEnvoy(folder.file('c.yaml'), trust);
}

describe('renderEnvoy()', () => {
  it('renders an Envoy for a sidecar: exact IDs in and out, no resumption, keys and trust over SDS', async () => {
    const { stands_for: standsFor, bootstrap } = await render(SIDECAR, {
      socket: '/run/federate/workload.sock',
      resource: 'ALL',
    });
    expect(standsFor).toBe('sidecar');
    const text = `${JSON.stringify(bootstrap, undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(`${GOLDEN}/sidecar.json`);
  });

  it('admits no identity where the config lists none', async () => {
    const { bootstrap } = await render(SIDECAR.replace(', allow: ["spiffe://b.example/caller"]', ''));
    expect(JSON.stringify(bootstrap)).toContain('"rules":{"action":"ALLOW","policies":{}}');
  });

  it('takes the trust from the source of the SVID unless another socket is named', async () => {
    const { bootstrap } = await render(SIDECAR);
    const text = JSON.stringify(bootstrap);
    expect(text.match(/"pipe":\{"path":"[^"]+"/g)).toEqual([
      '"pipe":{"path":"/run/mesh/workload.sock"',
      '"pipe":{"path":"/run/mesh/workload.sock"',
    ]);
    expect(text).toContain('"name":"ROOTCA"');
  });

  it('refuses several endpoints of one listener, which it would not render', async () => {
    const text = `sds_socket: /run/mesh/workload.sock
outbound:
  - listen: "127.0.0.1:9001"
    endpoints:
      - { to: "10.0.0.1:8443", server_name: x, expect: ["spiffe://b.example/x"] }
      - { to: "10.0.0.2:8443", server_name: x, expect: ["spiffe://b.example/x"], priority: 1 }
`;
    await expect(render(text)).rejects.toMatchObject({
      code: 'config-invalid',
      mistakes: [{ path: 'outbound[0].endpoints' }],
    });
  });

  it('refuses each part of a sidecar that it would not render', async () => {
    const text = `${SIDECAR}    timeouts: { request: 5s }
access_log: true
trace_context: true
`;
    await expect(render(text)).rejects.toMatchObject({
      code: 'config-invalid',
      mistakes: [{ path: 'access_log' }, { path: 'trace_context' }, { path: 'outbound[0].timeouts' }],
    });
  });

  it('distinguishes destinations that share a port on different addresses', async () => {
    const second = ['127.0.0.2:9001', '[::1]:9001'].map(
      (listen) =>
        `  - { listen: "${listen}", to: "[::1]:8443", server_name: x, expect: ["spiffe://b.example/x"] }\n`,
    );
    const { bootstrap } = await render(SIDECAR + second.join(''));
    const { static_resources: parts } = bootstrap as {
      static_resources: Record<'listeners' | 'clusters', { name: string }[]>;
    };
    for (const named of [parts.listeners, parts.clusters])
      expect(new Set(named.map(({ name }) => name)).size).toBe(named.length);
  });

  it('renders an Envoy for a gateway: one chain per server name, and none for others', async () => {
    const { stands_for: standsFor, bootstrap } = await render(
      'listen: "0.0.0.0:8443"\nroutes_file: routes.yaml\n',
      {},
      'info.b.example: "10.0.0.7:8443"\n"*.c.example": "c.internal:443"\n',
    );
    expect(standsFor).toBe('gateway');
    const text = `${JSON.stringify(bootstrap, undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(`${GOLDEN}/gateway.json`);
  });

  it('refuses a config of neither, and a bad table', async () => {
    await expect(render('sds_socket: 1\n')).rejects.toThrow(ConfigError);
    await expect(render('listen: nowhere\nroutes_file: routes.yaml\n')).rejects.toThrow(ConfigError);
    const gateway = 'listen: "0.0.0.0:8443"\nroutes_file: routes.yaml\n';
    await render(gateway, {}, 'info.b.example: "10.0.0.7:8443"');
    await expect(render(gateway, {}, 'info: 7')).rejects.toThrow(ConfigError);
    // Envoy does not start with a listener that leads nowhere.
    await expect(render(gateway, {}, '{}')).rejects.toThrow(ConfigError);
  });
});
