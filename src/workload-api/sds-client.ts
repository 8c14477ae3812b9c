import { Client, type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  SECRET_TYPE_URL,
  secretDiscoveryService,
} from '../grpc/index.ts';
import { type Clock, Listeners, type Log, pause, type Random } from '../platform/index.ts';
import { decodeSecret, type SdsSecret } from './secret.ts';

export interface SdsClientOptions {
  readonly socketPath: string;
  readonly resourceNames: readonly string[];
  /** The name by which the server's operator recognises this client. */
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * Throws for a secret that its user could not work with. The secret is then refused (NACK), like
   * an unreadable one.
   */
  readonly check?: (secret: SdsSecret) => void;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;
/** A mesh with ten thousand peers has some 20 MB of roots. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/**
 * Asks an SDS server for secrets and keeps them as they change. When the server is gone, the last
 * good ones stay and the client asks again, with a growing wait. An unusable secret is refused
 * (NACK), and the last good one stays.
 */
export class SdsClient {
  readonly #options: SdsClientOptions;
  readonly #secrets = new Map<string, { readonly secret: SdsSecret; readonly bytes: Uint8Array }>();
  readonly #listeners = new Listeners<[name: string]>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #connected = false;
  /** The version of the last response that was accepted on this stream. */
  #version = '';

  constructor(options: SdsClientOptions) {
    this.#options = options;
  }

  /** Whether the server answers now. */
  get connected(): boolean {
    return this.#connected;
  }

  start(): void {
    this.#running = this.#run();
  }

  current(name: string): SdsSecret | undefined {
    return this.#secrets.get(name)?.secret;
  }

  /**
   * Calls back with the name of each secret that changed, until the returned function is called.
   */
  readonly onChange = this.#listeners.add;

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, random, log, socketPath } = this.#options;
    let waitMs = FIRST_WAIT_MS;
    while (!signal.aborted) {
      const answered = await this.#streamOnce(signal);
      this.#connected = false;
      if (signal.aborted) return;
      waitMs = answered ? FIRST_WAIT_MS : Math.min(waitMs * 2, LONGEST_WAIT_MS);
      log.debug('SDS stream ended, asking again', { socket: socketPath, wait_ms: waitMs });
      await pause(clock, waitMs * (0.5 + random.fraction() / 2), signal);
    }
  }

  /** Runs one stream from its beginning to its end. Returns whether the server answered on it. */
  #streamOnce(signal: AbortSignal): Promise<boolean> {
    const { socketPath, log, resourceNames } = this.#options;
    // One client per stream, because the library's own waits between connections are longer than a
    // restart of the server.
    const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
    });
    const { path, requestSerialize, responseDeserialize } = secretDiscoveryService.StreamSecrets;
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    let answered = false;
    this.#version = '';
    return new Promise((resolve) => {
      const onAbort = () => stream.cancel();
      const finish = () => {
        signal.removeEventListener('abort', onAbort);
        client.close();
        resolve(answered);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      stream.on('data', (response: DiscoveryResponse) => {
        answered = true;
        this.#connected = true;
        this.#take(stream, response);
      });
      // The end of a stream arrives twice: as an error and as a status. The status always comes.
      stream.on('error', () => {});
      stream.on('status', ({ code, details }) => {
        if (!signal.aborted && code !== status.OK)
          log.debug('SDS stream failed', { socket: socketPath, code, details });
        finish();
      });
      stream.write(this.#request({ resource_names: resourceNames, version_info: '', response_nonce: '' }));
    });
  }

  #take(stream: ClientDuplexStream<DiscoveryRequest, DiscoveryResponse>, response: DiscoveryResponse): void {
    const { resourceNames, log } = this.#options;
    const answer = { resource_names: resourceNames, response_nonce: response.nonce };
    const problems: Error[] = [];
    const received = response.resources.flatMap((resource) => {
      try {
        const secret = decodeSecret(resource);
        this.#options.check?.(secret);
        return [{ secret, bytes: resource.value }];
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        problems.push(error);
        return [];
      }
    });
    // A response holds all secrets of the stream, including unchanged ones.
    const changed = received.filter(({ secret: { name }, bytes }) => {
      const held = this.#secrets.get(name);
      return resourceNames.includes(name) && !(held && Buffer.compare(held.bytes, bytes) === 0);
    });
    for (const each of changed) this.#secrets.set(each.secret.name, each);
    // Accepted before it is acknowledged: an ACK promises that new handshakes already use it.
    for (const { secret } of changed) this.#listeners.notify(secret.name);
    const [problem] = problems;
    if (problem === undefined) {
      this.#version = response.version_info;
      stream.write(this.#request({ ...answer, version_info: this.#version }));
      return;
    }
    // An unusable secret does not delay the others, so that an SVID is renewed in spite of a bad
    // bundle.
    log.error('SDS secret refused, the last one stays', { error: problem });
    const { message } = problem;
    stream.write(
      this.#request({
        ...answer,
        version_info: this.#version,
        error_detail: { code: status.INVALID_ARGUMENT, message },
      }),
    );
  }

  #request(rest: Omit<DiscoveryRequest, 'node' | 'type_url'>): DiscoveryRequest {
    return { node: { id: this.#options.nodeId, cluster: 'federate' }, type_url: SECRET_TYPE_URL, ...rest };
  }
}
