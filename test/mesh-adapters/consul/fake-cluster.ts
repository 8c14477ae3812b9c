import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import {
  type ExchangeSecretRequest,
  type ExchangeSecretResponse,
  PEERING_TRUST_BUNDLE_URL,
  peerStreamService,
  type ReplicationMessage,
} from '../../../src/grpc/index.ts';
import { pemFromCertificates } from '../../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';

const SERVER_NAME = 'server.dc1.peering.fake.consul';
const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };

/** A stream as the fake cluster sees it. */
export type FakeStream = ServerDuplexStream<ReplicationMessage, ReplicationMessage>;

/** One HTTP request as it arrived. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly index: string | null;
  /** The peering whose services are asked for. */
  readonly peer: string | null;
  /** The index that a write expects. */
  readonly cas: string | null;
  readonly token: string | undefined;
  readonly body: string;
}

/**
 * A Consul server on loopback that a test controls, also for what no server should do: the HTTP API
 * by `answer`, the peering streams by `onStream`. By default it answers well and accepts every
 * bundle.
 */
export class FakeCluster {
  readonly requests: FakeRequest[] = [];
  readonly streams: FakeStream[] = [];
  /** Answers an HTTP request; true when it did, else the ordinary answer is given. */
  answer: (request: FakeRequest, response: ServerResponse) => boolean = () => false;
  onStream: (stream: FakeStream) => void = acceptBundles;
  /** Answers an exchange of secrets. */
  onExchange: (request: ExchangeSecretRequest, callback: sendUnaryData<ExchangeSecretResponse>) => void = (
    _,
    callback,
  ) => callback(null, { stream_secret: 'stream-secret' });
  readonly ca: TestCa;
  readonly #http = createServer((request, response) => void this.#serve(request, response));
  readonly #grpc = new Server();
  #grpcPort = 0;

  private constructor(ca: TestCa) {
    this.ca = ca;
  }

  /** With the `ca` of another cluster it is another server of the same one. */
  static async start(ca?: TestCa): Promise<FakeCluster> {
    const cluster = new FakeCluster(ca ?? (await createTestCa({ trustDomain: 'fake.consul', ...LONG })));
    const leaf = await cluster.ca.issueLeaf({ path: '/server', dnsSans: [SERVER_NAME], ...LONG });
    cluster.#grpc.addService(peerStreamService, {
      ExchangeSecret: (
        call: ServerUnaryCall<ExchangeSecretRequest, ExchangeSecretResponse>,
        callback: sendUnaryData<ExchangeSecretResponse>,
      ) => cluster.onExchange(call.request, callback),
      StreamResources: (stream: FakeStream) => {
        cluster.streams.push(stream);
        stream.on('error', () => {});
        cluster.onStream(stream);
      },
    });
    cluster.#grpcPort = await new Promise<number>((resolve, reject) =>
      cluster.#grpc.bindAsync(
        '127.0.0.1:0',
        ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(leaf.certPem), private_key: Buffer.from(leaf.keyPem) },
        ]),
        (error, port) => (error ? reject(error) : resolve(port)),
      ),
    );
    await once(cluster.#http.listen(0, '127.0.0.1'), 'listening');
    return cluster;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get grpcAddress(): string {
    return `127.0.0.1:${this.#grpcPort}`;
  }

  requestsTo(path: string): FakeRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** The body of `/v1/connect/ca/roots`. */
  roots(cas: readonly TestCa[] = [this.ca]) {
    return {
      TrustDomain: this.ca.trustDomain,
      Roots: cas.map(({ root }) => ({ RootCert: pemFromCertificates([root]), Active: true })),
    };
  }

  token(): string {
    return Buffer.from(
      JSON.stringify({
        CA: [pemFromCertificates([this.ca.root])],
        ServerAddresses: [this.grpcAddress],
        ServerName: SERVER_NAME,
        PeerID: 'peer-id',
        EstablishmentSecret: 'establishment-secret',
      }),
    ).toString('base64');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#grpc.forceShutdown();
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://fake');
    const token = incoming.headers['x-consul-token'];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const request = {
      method: incoming.method ?? '',
      path: url.pathname,
      index: url.searchParams.get('index'),
      peer: url.searchParams.get('peer'),
      cas: url.searchParams.get('cas'),
      token: typeof token === 'string' ? token : undefined,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    this.requests.push(request);
    if (this.answer(request, response)) return;
    const json = (value: unknown) => response.end(JSON.stringify(value));
    if (request.path === '/v1/connect/ca/roots') {
      response.setHeader('x-consul-index', '7');
      // A blocking query for what is there already is left open.
      if (request.index === '7') return;
      json(this.roots());
    } else if (request.path === '/v1/peerings') json([]);
    else if (request.path === '/v1/peering/token') json({ PeeringToken: this.token() });
    else response.writeHead(404).end();
  }
}

/**
 * The ordinary server: subscribes to the bundle once the stream is open and acknowledges each one.
 */
export function acceptBundles(stream: FakeStream): void {
  const request = (response_nonce: string) =>
    stream.write({ request: { peer_id: '', resource_url: PEERING_TRUST_BUNDLE_URL, response_nonce } });
  stream.on('data', ({ open, response }: ReplicationMessage) => {
    if (open) request('');
    if (response?.resource_url === PEERING_TRUST_BUNDLE_URL) request(response.nonce);
  });
}
