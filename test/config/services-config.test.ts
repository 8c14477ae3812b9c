import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { agentConfigSchema, ConfigError, readConfig } from '../../src/config/index.ts';
import { checkConfig } from '../../testkit/check-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const text = (services: string) => `
trust_domain: a.example
store: federate.db
endpoint:
  profile: https_web
  listen: 127.0.0.1:8443
  url: https://a.example/
  certificate_file: tls.crt
  key_file: tls.key
mesh: { kind: files, own_pem_files: [roots.pem], foreign_folder: foreign }
services: ${services}
`;

/** The mistakes in a config with that `services`, as their places. */
function mistakes(services: string): readonly string[] {
  using folder = tempDir();
  writeFileSync(folder.file('agent.yaml'), text(services));
  try {
    checkConfig('agent', folder.file('agent.yaml'));
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes.map(({ path }) => path);
    throw error;
  }
  return [];
}

const service = (more = '') =>
  `{ services: [{ id: info, spiffe_ids: [spiffe://a.example/info], ports: [{ name: http, port: 80 ${more} }] }] }`;

describe('checkConfig() of services', () => {
  it('accepts an empty section, with the documented defaults, and makes its paths absolute', () => {
    using folder = tempDir();
    writeFileSync(folder.file('agent.yaml'), text('{ routes_file: routes.yaml }'));
    const { config } = readConfig(folder.file('agent.yaml'), agentConfigSchema);
    expect(config.services).toEqual({
      gateways: [],
      routes_file: folder.file('routes.yaml'),
      suffix: 'federated',
      catalogue_lifetime: 86_400_000,
      drain: 30_000,
      stale_policy: 'keep',
      networks: [],
      allowed_gateway_ranges: [],
      services: [],
      exports: [],
      imports: [],
      access: [],
    });
  });

  it('accepts every member', () => {
    const section = `
  gateways: [{ id: gw-1, address: "gw.a.example:15443" }, { id: gw-2, address: "[2001:db8::1]:15443", priority: 1 }]
  egress_gateway: 10.0.0.7:15443
  sni_suffix: services.a.example
  networks: [{ id: vpc-1, with: [b.example] }]
  allowed_gateway_ranges: [127.0.0.0/8]
  services: [{ id: web.shop, spiffe_ids: [spiffe://a.example/web], ports: [{ name: db, port: 3306, protocol: tcp, server_first: true, target: "10.0.0.1:15006" }] }]
  exports: [{ service: web.shop, to: [b.example] }]
  imports: [{ service: info, from: b.example, name: info.weather.internal, namespaces: [front] }]
  access: [{ service: web.shop, rules: [{ from: [b.example] }, { id: not-this, effect: deny, from: [spiffe://b.example/x] }] }]`;
    expect(mistakes(section)).toEqual([]);
  });

  const refused: readonly (readonly [string, string, readonly string[]])[] = [
    ['an unknown key', '{ gateway: [] }', ['services.gateway']],
    [
      'a gateway without a port',
      '{ gateways: [{ id: a, address: gw.a.example }] }',
      ['services.gateways[0].address'],
    ],
    [
      'a gateway by a name that only a resolver of ours completes',
      '{ gateways: [{ id: a, address: "gateway:15443" }] }',
      ['services.gateways[0].address'],
    ],
    [
      'a gateway at port 0',
      '{ gateways: [{ id: a, address: "gw.a.example:0" }] }',
      ['services.gateways[0].address'],
    ],
    [
      'an ID of a gateway with "_"',
      '{ gateways: [{ id: a_b, address: "1.2.3.4:1" }] }',
      ['services.gateways[0].id'],
    ],
    [
      'two gateways with one ID',
      '{ gateways: [{ id: a, address: "1.2.3.4:1" }, { id: a, address: "1.2.3.5:1" }] }',
      ['services.gateways[1]'],
    ],
    ['a suffix of the local network', '{ suffix: local }', ['services.suffix']],
    ['a suffix of a cluster', '{ suffix: svc.cluster.local }', ['services.suffix']],
    ['a suffix in upper case', '{ suffix: Federated }', ['services.suffix']],
    ['a lifetime of ten seconds', '{ catalogue_lifetime: 10s }', ['services.catalogue_lifetime']],
    ['a lifetime of a year', '{ catalogue_lifetime: 365d }', ['services.catalogue_lifetime']],
    ['a drain of a day', '{ drain: 24h }', ['services.drain']],
    ['another stale policy', '{ stale_policy: forget }', ['services.stale_policy']],
    [
      'a range that is not one',
      '{ allowed_gateway_ranges: [10.0.0.0] }',
      ['services.allowed_gateway_ranges[0]'],
    ],
    [
      'an ID of a service with "_"',
      '{ exports: [{ service: a_b, to: [b.example] }] }',
      ['services.exports[0].service'],
    ],
    ['an export to no peer', '{ exports: [{ service: info, to: [] }] }', ['services.exports[0].to']],
    [
      'a service that is exported twice',
      '{ exports: [{ service: info, to: [b.example] }, { service: info, to: [c.example] }] }',
      ['services.exports[1]'],
    ],
    [
      'an import under a local name',
      '{ imports: [{ service: info, from: b.example, name: info.default.svc.cluster.local }] }',
      ['services.imports[0].name'],
    ],
    [
      'two rules with one ID, of which one would not count',
      '{ access: [{ service: info, rules: [{ id: rule-2, effect: deny, from: [b.example] }, { from: [c.example] }] }] }',
      ['services.access[0].rules[1].id'],
    ],
    [
      'a rule without callers',
      '{ access: [{ service: info, rules: [{ from: [] }] }] }',
      ['services.access[0].rules[0].from'],
    ],
    [
      'a rule about a path with an escape',
      '{ access: [{ service: info, rules: [{ from: [b.example], paths: ["/a%2fb"] }] }] }',
      ['services.access[0].rules[0].paths[0]'],
    ],
    ['a server that speaks first over HTTP', service(', server_first: true'), ['services.services[0].ports']],
    [
      'an identity of another trust domain',
      service().replace('spiffe://a.example', 'spiffe://b.example'),
      ['services.services[0].spiffe_ids[0]'],
    ],
  ];
  for (const [what, section, places] of refused)
    it(`refuses ${what}`, () => expect(mistakes(section)).toEqual(places));
});
