import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkConfigWithFiles, ConfigError } from '../../src/config/index.ts';
import { renderEnvoy } from '../../src/envoy/bootstrap/render.ts';
import { checkConfig } from '../../testkit/check-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

/** The places of the mistakes in a sidecar config. */
function mistakes(text: string): readonly string[] {
  using folder = tempDir();
  writeFileSync(folder.file('sidecar.yaml'), text);
  try {
    checkConfig('sidecar', folder.file('sidecar.yaml'));
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes.map(({ path }) => path);
    throw error;
  }
  return [];
}

describe('checkConfig() of a sidecar', () => {
  it('takes an SDS socket or a Workload API, and one of the two', () => {
    expect(mistakes('sds_socket: s.sock')).toEqual([]);
    expect(mistakes('workload_api: unix:///run/spire/agent.sock\nhint: internal')).toEqual([]);
    expect(mistakes('workload_api: SPIFFE_ENDPOINT_SOCKET')).toEqual([]);
    expect(mistakes('outbound: []')).toEqual(['sds_socket']);
    expect(mistakes('sds_socket: s.sock\nworkload_api: unix:///a')).toEqual(['workload_api']);
    expect(mistakes('sds_socket: s.sock\nhint: x\nspiffe_id: spiffe://a.example/x')).toEqual([
      'hint',
      'spiffe_id',
    ]);
    expect(mistakes('workload_api: /run/agent.sock')).toEqual(['workload_api']);
  });

  it.each([
    ['one target', 'to: "h:1", server_name: x, expect: ["spiffe://a.example/x"]', []],
    ['a target without its name and IDs', 'to: "h:1"', ['outbound[0].server_name', 'outbound[0].expect']],
    ['no target', 'name: x', ['outbound[0].to', 'outbound[0].server_name', 'outbound[0].expect']],
    [
      'two endpoints',
      'endpoints: [{ to: "h:1", server_name: x, expect: ["spiffe://a.example/x"] }, { to: "h:2", server_name: x, expect: ["spiffe://a.example/x"], priority: 1 }]',
      [],
    ],
    ['an empty list', 'endpoints: []', ['outbound[0].endpoints']],
    [
      'a list next to a target',
      'to: "h:1", endpoints: [{ to: "h:1", server_name: x, expect: ["spiffe://a.example/x"] }]',
      ['outbound[0].to'],
    ],
    [
      'a priority below 0',
      'endpoints: [{ to: "h:1", server_name: x, expect: ["spiffe://a.example/x"], priority: -1 }]',
      ['outbound[0].endpoints[0].priority'],
    ],
  ])('checks an outbound listener with %s', (_, fields, places) => {
    expect(mistakes(`sds_socket: s.sock\noutbound:\n  - { listen: "127.0.0.1:1", ${fields} }`)).toEqual(
      places,
    );
  });
});

const OUT = 'to: "h:1", server_name: x, expect: ["spiffe://a.example/x"]';

describe('the limits of a sidecar config', () => {
  it.each([
    ['timeouts: { connect: 1s, idle: 30s, request: 1m }', []],
    ['timeouts: { connect: 0s }', ['timeouts.connect']],
    ['timeouts: { connect: 2m }', ['timeouts.connect']],
    ['timeouts: { idle: 5ms }', ['timeouts.idle']],
    ['timeouts: { request: 2h }', ['timeouts.request']],
    ['timeouts: { request: 10 }', ['timeouts.request']],
    ['timeouts: { reqest: 10s }', ['timeouts.reqest']],
    ['sign: { id: k, algorithm: ed25519, key_file: k.pem }', []],
    ['sign: { id: "a b", algorithm: ed25519, key_file: k.pem }', ['sign.id']],
    ['sign: { id: k, algorithm: rsa, key_file: k.pem }', ['sign.algorithm']],
    ['sign: { id: k, algorithm: ed25519 }', ['sign.key_file']],
    ['sign: { id: k, algorithm: ed25519, key_file: k.pem, lifetime: 2h }', ['sign.lifetime']],
    ['sign: { id: k, algorithm: ed25519, key_file: k.pem, max_body: 1GiB }', ['sign.max_body']],
    ['limits: {}, outlier_detection: {}, retries: {}', []],
    ['limits: { max_connections: 0 }', ['limits.max_connections']],
    ['limits: { max_pending: 1000000 }', ['limits.max_pending']],
    ['limits: { max_requests: 1.5 }', ['limits.max_requests']],
    ['outlier_detection: { consecutive_failures: 0 }', ['outlier_detection.consecutive_failures']],
    ['outlier_detection: { max_ejected_share: 1.1 }', ['outlier_detection.max_ejected_share']],
    ['outlier_detection: { ejection_time: 10m }', ['outlier_detection.max_ejection_time']],
    ['retries: { attempts: 0 }', ['retries.attempts']],
    ['retries: { attempts: 11 }', ['retries.attempts']],
    ['retries: { on_status: [404] }', ['retries.on_status[0]']],
    ['retries: { budget: 2 }', ['retries.budget']],
    ['retries: { backoff: 2s }', ['retries.max_backoff']],
  ])('of an outbound listener: %s', (fields, places) => {
    expect(
      mistakes(`sds_socket: s.sock\noutbound:\n  - { listen: "127.0.0.1:1", ${OUT}, ${fields} }`),
    ).toEqual(places.map((place) => `outbound[0].${place}`));
  });
});

describe('the limits of an inbound side', () => {
  it.each([
    ['health_check: { path: /healthz }, max_requests: 10', []],
    ['health_check: {}', ['health_check.path']],
    ['health_check: { path: "healthz" }', ['health_check.path']],
    ['health_check: { path: "/a b" }', ['health_check.path']],
    ['health_check: { path: /, interval: 1ms }', ['health_check.interval']],
    ['health_check: { path: /, timeout: 2m }', ['health_check.timeout']],
    ['health_check: { path: /, healthy_after: 0 }', ['health_check.healthy_after']],
    ['max_requests: 0', ['max_requests']],
    ['signatures: { keys: [{ id: k, algorithm: ed25519, key_file: k.pem }] }', []],
    ['signatures: { keys: [] }', ['signatures.keys']],
    [
      'signatures: { keys: [{ id: k, algorithm: ed25519, key_file: k.pem }, { id: k, algorithm: hmac-sha256, key_file: s }] }',
      ['signatures.keys[1].id'],
    ],
    [
      'signatures: { max_skew: 6m, replay_memory: 0, keys: [{ id: k, algorithm: ed25519, key_file: k.pem, callers: [] }] }',
      ['signatures.keys[0].callers', 'signatures.max_skew', 'signatures.replay_memory'],
    ],
    ['rate_limit: { requests_per_second: 0.5, burst: 1 }', []],
    ['rate_limit: { requests_per_second: 0, burst: 1 }', ['rate_limit.requests_per_second']],
    ['rate_limit: { requests_per_second: 1 }', ['rate_limit.burst']],
    ['rate_limit: { requests_per_second: 1, burst: 1, max_callers: 0 }', ['rate_limit.max_callers']],
    [
      'rate_limit: { requests_per_second: 1, burst: 1, callers: [{ spiffe_id: x, requests_per_second: 1, burst: 1 }] }',
      ['rate_limit.callers[0].spiffe_id'],
    ],
    [
      'rate_limit: { requests_per_second: 1, burst: 1, callers: [{ spiffe_id: "spiffe://a.example/x", requests_per_second: 1, burst: 1 }, { spiffe_id: "spiffe://a.example/x", requests_per_second: 2, burst: 1 }] }',
      ['rate_limit.callers[1].spiffe_id'],
    ],
  ])('%s', (fields, places) => {
    const text = `sds_socket: s.sock\ninbound: { listen: "127.0.0.1:1", forward_to: "127.0.0.1:2", ${fields} }`;
    expect(mistakes(text)).toEqual(places.map((place) => `inbound.${place}`));
  });
});

describe('checkConfigWithFiles() of a sidecar', () => {
  it('opens the key files, and names those that cannot be used', async () => {
    using folder = tempDir();
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    writeFileSync(folder.file('key.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }), {
      mode: 0o600,
    });
    writeFileSync(folder.file('pub.pem'), publicKey.export({ format: 'pem', type: 'spki' }));
    writeFileSync(
      folder.file('sidecar.yaml'),
      `sds_socket: s.sock
inbound:
  listen: "127.0.0.1:1"
  forward_to: "127.0.0.1:2"
  signatures:
    keys:
      - { id: a, algorithm: ed25519, key_file: pub.pem }
      - { id: b, algorithm: ecdsa-p256-sha256, key_file: pub.pem }
      - { id: c, algorithm: hmac-sha256, key_file: pub.pem }
outbound:
  - { listen: "127.0.0.1:3", ${OUT}, sign: { id: a, algorithm: ed25519, key_file: key.pem } }
  - { listen: "127.0.0.1:4", ${OUT}, sign: { id: a, algorithm: ed25519, key_file: absent.pem } }
`,
    );
    await expect(checkConfigWithFiles('sidecar', folder.file('sidecar.yaml'))).rejects.toMatchObject({
      code: 'config-invalid',
      mistakes: [
        { path: 'inbound.signatures.keys[1].key_file', message: expect.stringContaining('not a key for') },
        { path: 'inbound.signatures.keys[2].key_file', message: expect.stringContaining('chmod 600') },
        { path: 'outbound[1].sign.key_file', message: expect.stringContaining('absent.pem') },
      ],
    });
  });
});

describe('renderEnvoy() of a sidecar', () => {
  it('reports that an Envoy needs SDS where the config names a Workload API', async () => {
    using folder = tempDir();
    writeFileSync(folder.file('sds.yaml'), 'sds_socket: s.sock');
    writeFileSync(folder.file('api.yaml'), 'workload_api: unix:///run/spire/agent.sock');
    expect((await renderEnvoy(folder.file('sds.yaml'), {})).stands_for).toBe('sidecar');
    await expect(renderEnvoy(folder.file('api.yaml'), {})).rejects.toMatchObject({
      code: 'config-invalid',
      mistakes: [{ path: 'workload_api', message: expect.stringContaining('sds_socket') }],
    });
  });
});
