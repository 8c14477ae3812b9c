import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { names } from '../../src/demonstration/demo/index.ts';
import { connectMtls, createSpiffeVerifier, svidFromPem } from '../../src/mtls/index.ts';
import { systemClock } from '../../src/platform/index.ts';
import {
  type BundleSource,
  parseBundle,
  parseTrustDomain,
  type SpiffeId,
  type TrustBundle,
} from '../../src/spiffe/index.ts';

const rotating = parseTrustDomain(names.istio);

/** A certificate and its key, PEM. */
export interface Identity {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** A client that trusts mesh A by a bundle of its own, and calls its service again and again. */
export class Caller {
  readonly name: string;
  readonly failures: string[] = [];
  calls = 0;
  failed = 0;
  readonly #port: number;
  readonly #bundle: () => TrustBundle | undefined;
  readonly #identity: () => Identity;
  #running = false;
  #done: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly name: string;
    /** Where the service's proxy listens. */
    readonly port: number;
    /** What it holds of mesh A now. */
    readonly bundle: () => TrustBundle | undefined;
    /** What it shows. */
    readonly identity: () => Identity;
  }) {
    this.name = options.name;
    this.#port = options.port;
    this.#bundle = options.bundle;
    this.#identity = options.identity;
  }

  /** Begins to call, a new connection and a full handshake each time. */
  start(): void {
    this.#running = true;
    this.#done = this.#repeat();
  }

  /** Ends after the call in flight. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #repeat(): Promise<void> {
    while (this.#running) {
      this.calls += 1;
      try {
        await this.#call();
      } catch (error) {
        this.failed += 1;
        if (this.failures.length < 3)
          this.failures.push(`${this.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
      await systemClock.sleep(25);
    }
  }

  async #call(): Promise<void> {
    const { certificateChainPem, privateKeyPem } = this.#identity();
    const svid = svidFromPem(certificateChainPem, privateKeyPem);
    const answer = await askOverMtls({
      port: this.#port,
      serverName: 'backend.weather.svc.cluster.local',
      expect: names.backendId,
      bundle: this.#bundle(),
      svid: { current: () => svid, onChange: () => () => {} },
      path: '/weather',
    });
    if (!answer.startsWith('HTTP/1.1 200')) throw new Error(answer.split('\r\n')[0] ?? 'no answer');
  }
}

/** A plain SPIFFE peer: fetches the whole bundle of mesh A every so often, from an address of its own, and says nothing of itself. */
export class PlainPeer {
  /** The first few polls that failed. */
  readonly failures: string[] = [];
  readonly #port: number;
  readonly #everyMs: number;
  readonly #stop = new AbortController();
  #bundle: TrustBundle | undefined;
  #done: Promise<void> = Promise.resolve();

  constructor(port: number, everyMs: number, first: TrustBundle) {
    this.#port = port;
    this.#everyMs = everyMs;
    this.#bundle = first;
  }

  get bundle(): TrustBundle | undefined {
    return this.#bundle;
  }

  start(): void {
    this.#done = this.#poll();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#fetch().catch((error: unknown) => {
        if (this.failures.length < 3)
          this.failures.push(error instanceof Error ? error.message : String(error));
      });
      await systemClock.sleep(this.#everyMs, signal).catch(() => undefined);
    }
  }

  async #fetch(): Promise<void> {
    const answer = await askOverMtls({
      port: this.#port,
      localAddress: '127.0.0.2',
      expect: names.istioAgentId,
      bundle: this.#bundle,
      path: '/',
    });
    this.#bundle = parseBundle(rotating, Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4))).bundle;
  }
}

/** One request on a connection of its own, whose other side is proved by `bundle` alone. The whole answer, head and body. */
async function askOverMtls(options: {
  readonly port: number;
  readonly path: string;
  readonly expect: SpiffeId | string;
  readonly bundle: TrustBundle | undefined;
  readonly serverName?: string;
  readonly localAddress?: string;
  readonly svid?: Parameters<typeof connectMtls>[0]['svid'];
}): Promise<string> {
  const { port, path, expect, bundle, serverName, localAddress, svid } = options;
  const bundles: BundleSource = { bundleFor: (name) => (name === bundle?.trustDomain ? bundle : undefined) };
  const tcp = connectTcp({
    host: '127.0.0.1',
    port,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  await once(tcp, 'connect');
  const { socket } = await connectMtls({
    socket: tcp,
    host: '127.0.0.1',
    port,
    verifier: createSpiffeVerifier({ bundles, clock: systemClock }),
    authorize: ({ id }) => {
      if (id !== expect) throw new Error(`met ${id} instead of ${expect}`);
    },
    signal: new AbortController().signal,
    timeoutMs: 5000,
    ...(serverName === undefined ? {} : { serverName }),
    ...(svid ? { svid } : {}),
  });
  let answer = '';
  socket.on('data', (part: Buffer) => (answer += part.toString('latin1')));
  socket.write(`GET ${path} HTTP/1.1\r\nhost: mesh-a\r\nconnection: close\r\n\r\n`);
  await once(socket, 'close');
  return answer;
}
