import { Client, type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  SECRET_TYPE_URL,
  secretDiscoveryService,
} from '../grpc/index.ts';
import { type Clock, describeError, type Log, type Random } from '../platform/index.ts';
import { decodeSecret, type SdsSecret } from './secret.ts';

export interface SdsClientOptions {
  readonly socketPath: string;
  readonly resourceNames: readonly string[];
  /** How the server's operator recognises this client. */
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;

/**
 * Asks an SDS server for secrets and keeps them as they change. When the server goes away the last good ones stay and
 * it is asked again, with a growing wait; what cannot be used is refused (NACK) and the last good one stays too.
 */
export class SdsClient {
  readonly #options: SdsClientOptions;
  readonly #secrets = new Map<string, SdsSecret>();
  readonly #listeners = new Set<(name: string) => void>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #connected = false;

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
    return this.#secrets.get(name);
  }

  /** Calls back with the name of each secret that changed, until the returned function is called. */
  onChange(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

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
      await clock.sleep(waitMs * (0.5 + random.fraction() / 2), signal).catch(() => {});
    }
  }

  /** One stream from its beginning to its end; whether the server answered on it. */
  #streamOnce(signal: AbortSignal): Promise<boolean> {
    const { socketPath, log, resourceNames } = this.#options;
    // A client per stream: the library's own waits between connections are longer than a restart of the server.
    const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = secretDiscoveryService.StreamSecrets;
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    let answered = false;
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
      // The end of a stream tells itself twice: as an error and as a status. The status always comes.
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
    let secrets: SdsSecret[];
    try {
      secrets = response.resources.map(decodeSecret);
    } catch (error) {
      log.error('SDS secret refused, the last one stays', { error: describeError(error) });
      const message = error instanceof Error ? error.message : String(error);
      stream.write(
        this.#request({
          ...answer,
          version_info: '',
          error_detail: { code: status.INVALID_ARGUMENT, message },
        }),
      );
      return;
    }
    const changed = secrets.filter((secret) => resourceNames.includes(secret.name));
    for (const secret of changed) this.#secrets.set(secret.name, secret);
    // Taken up before it is acknowledged: an ACK says that new handshakes already use it.
    for (const { name } of changed) for (const listener of this.#listeners) listener(name);
    stream.write(this.#request({ ...answer, version_info: response.version_info }));
  }

  #request(rest: Omit<DiscoveryRequest, 'node' | 'type_url'>): DiscoveryRequest {
    return { node: { id: this.#options.nodeId, cluster: 'federate' }, type_url: SECRET_TYPE_URL, ...rest };
  }
}
