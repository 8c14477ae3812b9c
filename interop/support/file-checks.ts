import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { probeTls } from '../../src/demonstration/demo/tls-probe.ts';
import { createFilesAdapter } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock } from '../../src/platform/index.ts';
import { bundleOf, pemFromCertificates, type TrustBundle } from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { Child } from './child.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import type { InteropCheck } from './program.ts';
import { until } from './until.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';
const HOUR_MS = 3_600_000;

/** Envoy with the files of our adapter as its trust, without SDS from us. */
export const fileChecks: readonly InteropCheck[] = [
  {
    name: 'the PEM file of a peer: followed; refused once the peer revokes all roots, or is removed; back again',
    run: (binary) =>
      followsEnds(binary, (foreign) => ({ trusted_ca: { filename: `${foreign}/b.example.pem` } })),
  },
  {
    name: 'the map of all bundles: followed; a peer is refused once it revokes all roots, or is removed; back again',
    run: (binary) =>
      followsEnds(binary, (foreign) => ({
        custom_validator_config: {
          name: 'envoy.tls.cert_validator.spiffe',
          typed_config: {
            '@type': `${TYPE}.transport_sockets.tls.v3.SPIFFECertValidatorConfig`,
            trust_bundles: { filename: `${foreign}/bundles.json`, watched_directory: { path: foreign } },
          },
        },
      })),
  },
];

async function followsEnds(binary: string, validation: (foreign: string) => object): Promise<void> {
  await using world = await FileWorld.start(binary, validation);
  const { b } = world;
  const next = await presentCa('b.example', 'CN=next');
  const [ofOld, ofNext] = [await callerOf(b), await callerOf(next)];
  const sees = (what: string, caller: Caller, expected: boolean) =>
    until(what, async () => (await world.call(caller)) === expected, 30);

  await sees('the peer is let in', ofOld, true);
  await world.hold(bundleOf(b.trustDomain, [next.authority]));
  await sees('a root that was taken out is refused', ofOld, false);
  assert.equal(await world.call(ofNext), true, 'the root that stays is let in');
  await world.hold(bundleOf(b.trustDomain, []));
  await sees('a peer that revoked all roots is refused', ofNext, false);
  await world.hold(next.bundle());
  await sees('its roots are back', ofNext, true);
  await world.hold();
  await sees('a peer that was removed is refused', ofNext, false);
  await world.hold(next.bundle());
  await sees('it is a peer again', ofNext, true);
}

interface Caller {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

const soon = () => ({
  notBefore: new Date(Date.now() - HOUR_MS),
  notAfter: new Date(Date.now() + HOUR_MS),
});

async function callerOf(ca: TestCa): Promise<Caller> {
  const { certPem, keyPem } = await ca.issueLeaf({ ...soon(), path: '/caller' });
  return { certificateChainPem: certPem, privateKeyPem: keyPem };
}

/** An Envoy that serves TLS and reads trust from a folder which our adapter for files writes. */
class FileWorld implements AsyncDisposable {
  readonly b: TestCa;
  readonly #folder: ReturnType<typeof tempDir>;
  readonly #adapter: ReturnType<typeof createFilesAdapter>;
  readonly #port: number;
  readonly #signal = new AbortController().signal;
  #envoy: Child | undefined;

  private constructor(
    b: TestCa,
    folder: ReturnType<typeof tempDir>,
    adapter: ReturnType<typeof createFilesAdapter>,
    port: number,
  ) {
    this.b = b;
    this.#folder = folder;
    this.#adapter = adapter;
    this.#port = port;
  }

  /** `validation` is the validation context of Envoy for a folder of foreign trust. */
  static async start(binary: string, validation: (foreign: string) => object): Promise<FileWorld> {
    const folder = tempDir();
    const [a, b] = await Promise.all([presentCa('a.example'), presentCa('b.example')]);
    const foreign = folder.file('foreign');
    mkdirSync(foreign);
    writeFileSync(folder.file('own.pem'), pemFromCertificates([a.root]));
    const adapter = createFilesAdapter({
      trustDomain: a.trustDomain,
      own: { pemFiles: [folder.file('own.pem')] },
      foreignFolder: foreign,
      pollMs: 1000,
      clock: systemClock,
      log: silentLog,
    });
    const [port = 0] = await freePorts(1);
    const world = new FileWorld(b, folder, adapter, port);
    await world.hold(b.bundle());
    const { certPem, keyPem } = await a.issueLeaf({ ...soon(), path: '/server' });
    writeFileSync(folder.file('server.pem'), certPem);
    writeFileSync(folder.file('server.key'), keyPem);
    const context = { ...validation(foreign), watched_directory: { path: foreign } };
    const secret = { '@type': `${TYPE}.transport_sockets.tls.v3.Secret`, name: 'trust' };
    const resources = [{ ...secret, validation_context: context }];
    writeFileSync(folder.file('sds.json'), JSON.stringify({ resources }));
    writeFileSync(
      folder.file('envoy.json'),
      JSON.stringify({
        node: { id: 'files', cluster: 'files' },
        static_resources: { listeners: [listenerOf(port, (name) => folder.file(name))] },
      }),
    );
    world.#envoy = new Child(binary, [
      '-c',
      folder.file('envoy.json'),
      '--disable-hot-restart',
      '--concurrency',
      '1',
      '--log-level',
      'warning',
    ]);
    const caller = await callerOf(b);
    await world.#envoy.until('Envoy lets the peer in', () => world.call(caller));
    return world;
  }

  /** Has the adapter write exactly these bundles. */
  async hold(...bundles: readonly TrustBundle[]): Promise<void> {
    await this.#adapter.applyForeignTrust(bundles, this.#signal);
  }

  /** Whether a new connection with that identity gets an answer. */
  async call(identity: Caller): Promise<boolean> {
    try {
      const seen = await probeTls({ port: this.#port, serverName: 'files', identity });
      return seen.firstLine?.includes('200') === true;
    } catch {
      // Refused in the handshake itself.
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#envoy?.[Symbol.asyncDispose]();
    await this.#adapter.stop();
    this.#folder[Symbol.dispose]();
  }
}

function listenerOf(port: number, file: (name: string) => string): object {
  const virtual_hosts = [
    { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
  ];
  const router = { name: 'router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } };
  const manager = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'files',
    route_config: { virtual_hosts },
    http_filters: [router],
  };
  const certificate = {
    certificate_chain: { filename: file('server.pem') },
    private_key: { filename: file('server.key') },
  };
  const sds_config = { resource_api_version: 'V3', path_config_source: { path: file('sds.json') } };
  const tls = {
    '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
    require_client_certificate: true,
    common_tls_context: {
      tls_certificates: [certificate],
      validation_context_sds_secret_config: { name: 'trust', sds_config },
    },
  };
  return {
    name: 'files',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [{ name: 'http', typed_config: manager }],
        transport_socket: { name: 'tls', typed_config: tls },
      },
    ],
  };
}
