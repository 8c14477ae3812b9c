import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { examineConsul } from '../../../src/mesh-adapters/index.ts';
import { systemClock } from '../../../src/platform/index.ts';
import { parseSpiffeId } from '../../../src/spiffe/index.ts';
import { startConsul } from '../../simulated-mesh/support/meshes.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { FakeCluster } from './fake-cluster.ts';

const WEST = 'federate-west-example-ec326d4a';
const CONSUL_FORM = 'spiffe://west.example/ns/default/dc/dc1/svc/web';
const ISTIO_FORM = 'spiffe://west.example/ns/shop/sa/web';

const peering = (more: object = {}) => ({
  Name: WEST,
  State: 'ACTIVE',
  Meta: { 'federate-trust-domain': 'west.example' },
  ...more,
});
const exported = (...peers: string[]) => [
  {
    Kind: 'exported-services',
    Name: 'default',
    Services: [{ Name: 'info', Consumers: peers.map((Peer) => ({ Peer })) }],
  },
];
const intentions = (...Sources: object[]) => [{ Kind: 'service-intentions', Name: 'info', Sources }];
const settings = (more: object = {}) => ({
  Config: { Version: '1.21.0' },
  DebugConfig: {
    ConnectEnabled: true,
    PeeringEnabled: true,
    GRPCTLSPort: 8503,
    ACLsEnabled: true,
    ACLResolverSettings: { ACLDefaultPolicy: 'deny' },
    ...more,
  },
});

/** The answers of a good cluster, by path; a number is a status, a text its body with 403. */
const healthy = () =>
  new Map<string, unknown>([
    ['/v1/agent/self', settings()],
    ['/v1/peerings', [peering()]],
    ['/v1/config/exported-services', exported(WEST)],
    ['/v1/config/service-intentions', intentions({ Name: 'web', Peer: WEST, Action: 'allow' })],
    ['/v1/config/proxy-defaults', []],
    ['/v1/config/service-defaults', []],
    ['/v1/internal/acl/authorize', [{ Allow: true }, { Allow: true }, { Allow: true }]],
  ]);

async function startCluster(answers = healthy()) {
  const cluster = await FakeCluster.start();
  cluster.answer = ({ path }, response) => {
    const answer = answers.get(path);
    if (answer === undefined) return false;
    if (typeof answer === 'number') response.writeHead(answer).end();
    else if (typeof answer === 'string') response.writeHead(403).end(answer);
    else response.end(JSON.stringify(answer));
    return true;
  };
  return { cluster, answers };
}

async function examine(
  cluster: FakeCluster,
  more: Partial<Parameters<typeof examineConsul>[0]> & { readonly ask?: readonly string[] } = {},
) {
  const { ask = [], ...options } = more;
  const { findings, examined } = await examineConsul({
    address: cluster.url,
    identities: ask.map(parseSpiffeId),
    clock: systemClock,
    signal: new AbortController().signal,
    ...options,
  });
  return { findings, examined, codes: findings.map(({ code }) => code) };
}

const TRAPS: readonly [string, string, string, unknown][] = [
  ['connect-off', 'a cluster without service mesh', '/v1/agent/self', settings({ ConnectEnabled: false })],
  ['peering-off', 'a cluster without peering', '/v1/agent/self', settings({ PeeringEnabled: false })],
  ['grpc-tls-off', 'a cluster without gRPC over TLS', '/v1/agent/self', settings({ GRPCTLSPort: -1 })],
  ['intentions-default-allow', 'ACLs that are off', '/v1/agent/self', settings({ ACLsEnabled: false })],
  [
    'intentions-default-allow',
    'a default of intentions that overrides that of ACLs',
    '/v1/agent/self',
    settings({ DefaultIntentionPolicy: 'allow' }),
  ],
  ['peering-terminated', 'a peering that was ended', '/v1/peerings', [peering({ State: 'TERMINATED' })]],
  [
    'peering-deleting',
    'a peering that hangs in its deletion',
    '/v1/peerings',
    [peering({ State: 'DELETING' })],
  ],
  ['peering-not-active', 'a peering without a speaker', '/v1/peerings', [peering({ State: 'FAILING' })]],
  [
    'peering-name-taken',
    'a name of ours without our mark',
    '/v1/peerings',
    [peering(), { Name: 'federate-x', State: 'ACTIVE', Meta: null }],
  ],
  [
    'trust-domain-claimed-twice',
    'a cluster that speaks for the same trust domain',
    '/v1/peerings',
    [peering(), { Name: 'other', State: 'ACTIVE', PeerServerName: 'server.dc1.peering.west.example' }],
  ],
  ['nothing-exported', 'no exported service', '/v1/config/exported-services', []],
  [
    'export-to-unknown-peer',
    'a consumer that is none',
    '/v1/config/exported-services',
    exported(WEST, 'gone'),
  ],
  [
    'token-may-not-read',
    'a token with half of the rights',
    '/v1/internal/acl/authorize',
    [{ Allow: true }, { Allow: false }, { Allow: true }],
  ],
  [
    'mesh-forbidden',
    'a token without the right to read',
    '/v1/peerings',
    'Permission denied: token lacks permission peering:read',
  ],
  ['mesh-unavailable', 'a cluster without a leader', '/v1/config/service-intentions', 500],
  ['mesh-answer-malformed', 'a list that is none', '/v1/config/service-intentions', { no: 'list' }],
  ['token-unknown', 'a token of another cluster', '/v1/agent/self', 'ACL not found'],
];

describe('examineConsul()', () => {
  it('finds nothing wrong in a cluster that is ready, and lists what is exported to whom', async () => {
    const { cluster } = await startCluster();
    await using _ = cluster;
    const { findings, examined } = await examine(cluster, { tokenIsAgents: true });
    expect(findings).toMatchObject([
      {
        code: 'services-exported',
        level: 'note',
        where: 'west.example',
        message: expect.stringContaining('info'),
      },
    ]);
    expect(examined).toEqual([
      'own trust domain fake.consul (roots: 1)',
      'settings of the Consul agent (1.21.0)',
      'peerings: 1',
      'exported services: 1',
      'destinations with intentions: 1',
    ]);
  });

  it.each(TRAPS)('reports %s for %s', async (code, _, path, answer) => {
    const { cluster, answers } = await startCluster();
    await using __ = cluster;
    answers.set(path, answer);
    const { findings } = await examine(cluster);
    const found = findings.filter(({ level }) => level === 'wrong');
    expect(found.map((each) => each.code)).toEqual([code]);
    expect(found[0]?.advice).toBeTruthy();
  });

  it('asks for more rights of the agent’s own token than of a reader', async () => {
    const { cluster, answers } = await startCluster();
    await using _ = cluster;
    answers.set('/v1/internal/acl/authorize', [{ Allow: false }, { Allow: true }, { Allow: true }]);
    expect((await examine(cluster)).codes).toEqual(['services-exported']);
    expect((await examine(cluster, { tokenIsAgents: true })).codes).toEqual([
      'token-may-not-peer',
      'services-exported',
    ]);
  });

  it('asks whether the agent’s token may have the leaves that its federation gateway needs', async () => {
    const { cluster, answers } = await startCluster();
    await using _ = cluster;
    const gateway = new Map([[parseSpiffeId(ISTIO_FORM), 'west-web']]);
    const yes = { Allow: true };
    answers.set('/v1/internal/acl/authorize', [yes, yes, yes, { Allow: false }]);
    const { findings } = await examine(cluster, { gateway, tokenIsAgents: true });
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'token-may-not-issue',
        advice: expect.stringContaining('service "west-web" { policy = "write" }'),
      }),
    );
    answers.set('/v1/internal/acl/authorize', [yes, yes, yes, yes]);
    expect((await examine(cluster, { gateway, tokenIsAgents: true })).codes).not.toContain(
      'token-may-not-issue',
    );
  });

  it('reports once that the cluster does not answer, or that the token file is missing', async () => {
    const { cluster } = await startCluster();
    await using _ = cluster;
    expect((await examine(cluster, { tokenFile: '/nonexistent/token' })).codes).toEqual([
      'credentials-unusable',
    ]);
    expect((await examine(cluster, { address: 'http://127.0.0.1:1' })).codes).toEqual(['mesh-unreachable']);
  });

  it('changes nothing', async () => {
    const { cluster } = await startCluster();
    await using _ = cluster;
    await examine(cluster, { ask: [ISTIO_FORM], service: 'info' });
    expect(cluster.requests.filter(({ method }) => method !== 'GET').map(({ path }) => path)).toEqual([
      '/v1/internal/acl/authorize',
    ]);
  });

  it('runs against the simulated mesh, with and without its ACL token', async () => {
    using folder = tempDir();
    const aclTokenFile = folder.file('acl.token');
    const { mesh, url } = await startConsul(folder.path, { clock: systemClock, aclTokenFile });
    try {
      const look = async (tokenFile?: string) => {
        const { findings } = await examineConsul({
          address: url,
          ...(tokenFile === undefined ? {} : { tokenFile }),
          clock: systemClock,
          signal: new AbortController().signal,
        });
        return [...new Set(findings.map(({ code }) => code))];
      };
      expect(await look(aclTokenFile)).toEqual([]);
      expect(await look()).toEqual(['mesh-forbidden']);
      writeFileSync(folder.file('bad.token'), 'bad');
      expect(await look(folder.file('bad.token'))).not.toEqual([]);
    } finally {
      await mesh.stop();
    }
  });
});

describe('examineConsul() about one identity', () => {
  const ask = async (
    id: string,
    change: (answers: Map<string, unknown>) => void = () => {},
    more: object = {},
  ) => {
    const { cluster, answers } = await startCluster();
    await using _ = cluster;
    change(answers);
    const { findings } = await examine(cluster, { ask: [id], service: 'info', ...more });
    return findings.find(({ code }) => /^(identity|intention|service-not)-/.test(code));
  };

  it('reports that an ID of Consul’s form passes where an intention allows its service of that peer', async () => {
    expect(await ask(CONSUL_FORM)).toMatchObject({ code: 'identity-passes', level: 'note' });
  });

  it('explains why an ID of another form cannot pass, and names the federation gateway', async () => {
    expect(await ask(ISTIO_FORM)).toMatchObject({
      code: 'identity-not-consul-form',
      level: 'wrong',
      advice: expect.stringContaining('federation gateway'),
    });
  });

  it('reports that intentions match only the namespace default', async () => {
    expect(await ask('spiffe://west.example/ns/shop/dc/dc1/svc/web')).toMatchObject({
      code: 'identity-not-consul-form',
    });
  });

  it('judges an ID by the Consul service whose leaf a federation gateway presents for it', async () => {
    const gateway = new Map([[parseSpiffeId(ISTIO_FORM), 'west-web']]);
    expect(await ask(ISTIO_FORM, () => {}, { gateway })).toMatchObject({ code: 'intention-missing' });
    const allow = intentions({ Name: 'west-web', Action: 'allow' });
    expect(
      await ask(ISTIO_FORM, (answers) => answers.set('/v1/config/service-intentions', allow), { gateway }),
    ).toMatchObject({ code: 'identity-passes' });
  });

  it('reports that a federation gateway does not help an identity of a trust domain that is not federated', async () => {
    const gateway = new Map([[parseSpiffeId(ISTIO_FORM), 'west-web']]);
    const found = await ask(ISTIO_FORM, (answers) => answers.set('/v1/peerings', []), { gateway });
    expect(found).toMatchObject({ code: 'identity-not-federated' });
  });

  it('warns of a federation gateway that passes plain TCP to an HTTP service', async () => {
    const { cluster, answers } = await startCluster();
    await using _ = cluster;
    const look = async () => (await examine(cluster, { gatewayTcpServices: ['info'] })).codes;
    expect(await look()).not.toContain('gateway-header-forgeable');
    answers.set('/v1/config/service-defaults', [{ Name: 'info', Protocol: 'http' }]);
    expect(await look()).toContain('gateway-header-forgeable');
  });

  it.each<[string, string, (answers: Map<string, unknown>) => void]>([
    [
      'identity-not-federated',
      'a trust domain without a peering',
      (answers) => answers.set('/v1/peerings', []),
    ],
    [
      'service-not-exported',
      'a service that is not exported to its peer',
      (answers) => answers.set('/v1/config/exported-services', exported('other')),
    ],
    [
      'intention-wants-mesh-gateway',
      'an HTTP service',
      (answers) => answers.set('/v1/config/service-defaults', [{ Name: 'info', Protocol: 'http' }]),
    ],
    [
      'intention-wants-mesh-gateway',
      'HTTP as the default of all services',
      (answers) => answers.set('/v1/config/proxy-defaults', [{ Config: { protocol: 'http' } }]),
    ],
    [
      'intention-missing',
      'an intention for a local service of that name',
      (answers) => answers.set('/v1/config/service-intentions', intentions({ Name: 'web', Action: 'allow' })),
    ],
    [
      'intention-denies',
      'an exact denial and a wide permission',
      (answers) =>
        answers.set(
          '/v1/config/service-intentions',
          intentions({ Name: '*', Peer: WEST, Action: 'allow' }, { Name: 'web', Peer: WEST, Action: 'deny' }),
        ),
    ],
    [
      'identity-passes-by-request',
      'permissions',
      (answers) =>
        answers.set(
          '/v1/config/service-intentions',
          intentions({ Name: 'web', Peer: WEST, Permissions: [{ Action: 'allow' }] }),
        ),
    ],
  ])('reports %s for %s', async (code, _, change) => {
    expect(await ask(CONSUL_FORM, change)).toMatchObject({ code });
  });

  it('uses the protocol of the service before the default of all', async () => {
    const found = await ask(CONSUL_FORM, (answers) => {
      answers.set('/v1/config/proxy-defaults', [{ Config: { protocol: 'http' } }]);
      answers.set('/v1/config/service-defaults', [{ Name: 'info', Protocol: 'tcp' }]);
    });
    expect(found).toMatchObject({ code: 'identity-passes' });
  });
});
