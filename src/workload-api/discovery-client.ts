import { Client, type ClientDuplexStream, credentials, type MethodDefinition, status } from '@grpc/grpc-js';
import type { AnyMessage, DiscoveryRequest, DiscoveryResponse } from '../grpc/index.ts';
import { Listeners, type Clock, type Log, pause, type Random } from '../platform/index.ts';

/** One type of resources that a discovery server gives. */
export interface ResourceKind<Resource extends { readonly name: string }> {
  /** The resource in a sentence of the log, such as `SDS secret`. */
  readonly label: string;
  readonly typeUrl: string;
  readonly method: MethodDefinition<DiscoveryRequest, DiscoveryResponse>;
  /** Throws for a resource that cannot be read. */
  readonly decode: (resource: AnyMessage) => Resource;
  /** Whether a response holds every resource that exists, so that a missing one is gone. */
  readonly isComplete: boolean;
}

export interface DiscoveryClientOptions<Resource extends { readonly name: string }> {
  readonly kind: ResourceKind<Resource>;
  readonly socketPath: string;
  /** What to ask for; left out: all that the server has for us. */
  readonly resourceNames?: readonly string[];
  /** The name by which the server's operator recognises this client. */
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * Throws for a resource that its user could not work with. It is then refused (NACK), like an
   * unreadable one.
   */
  readonly check?: (resource: Resource) => void;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;
/** A mesh with ten thousand peers has some 20 MB of roots. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/**
 * Asks a discovery server for resources of one type and keeps them as they change. When the server
 * is gone, the last good ones stay and the client asks again, with a growing wait. An unusable
 * resource is refused (NACK), and the last good one stays.
 */
export class DiscoveryClient<Resource extends { readonly name: string }> {
  readonly #options: DiscoveryClientOptions<Resource>;
  readonly #resources = new Map<string, { readonly resource: Resource; readonly bytes: Uint8Array }>();
  readonly #listeners = new Listeners<[name: string]>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #connected = false;
  #answered = false;
  /** The version of the last response that was accepted on this stream. */
  #version = '';

  constructor(options: DiscoveryClientOptions<Resource>) {
    this.#options = options;
  }

  /** Whether the server answers now. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Whether the server has ever answered, so that a missing resource is known to be missing. */
  get answered(): boolean {
    return this.#answered;
  }

  start(): void {
    this.#running = this.#run();
  }

  current(name: string): Resource | undefined {
    return this.#resources.get(name)?.resource;
  }

  /** All that the server gave and has not taken back. */
  all(): readonly Resource[] {
    return [...this.#resources.values()].map(({ resource }) => resource);
  }

  /**
   * Calls back with the name of each resource that changed or went, until the returned function is called.
   */
  readonly onChange = this.#listeners.add;

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, random, log, socketPath, kind } = this.#options;
    let waitMs = FIRST_WAIT_MS;
    while (!signal.aborted) {
      const answered = await this.#streamOnce(signal);
      this.#connected = false;
      if (signal.aborted) return;
      waitMs = answered ? FIRST_WAIT_MS : Math.min(waitMs * 2, LONGEST_WAIT_MS);
      log.debug(`stream of ${kind.label}s ended, asking again`, { socket: socketPath, wait_ms: waitMs });
      await pause(clock, waitMs * (0.5 + random.fraction() / 2), signal);
    }
  }

  /** Runs one stream from its beginning to its end. Returns whether the server answered on it. */
  #streamOnce(signal: AbortSignal): Promise<boolean> {
    const { socketPath, log, kind } = this.#options;
    // One client per stream, because the library's own waits between connections are longer than a
    // restart of the server.
    const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
    });
    const { path, requestSerialize, responseDeserialize } = kind.method;
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
          log.debug(`stream of ${kind.label}s failed`, { socket: socketPath, code, details });
        finish();
      });
      stream.write(this.#request({ version_info: '', response_nonce: '' }));
    });
  }

  #take(stream: ClientDuplexStream<DiscoveryRequest, DiscoveryResponse>, response: DiscoveryResponse): void {
    const { resourceNames, kind, log } = this.#options;
    const answer = { response_nonce: response.nonce };
    const problems: Error[] = [];
    const received = response.resources.flatMap((message) => {
      try {
        const resource = kind.decode(message);
        this.#options.check?.(resource);
        return [{ resource, bytes: message.value }];
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        problems.push(error);
        return [];
      }
    });
    // A response holds all resources of the stream, including unchanged ones.
    const changed = received.filter(({ resource: { name }, bytes }) => {
      const held = this.#resources.get(name);
      const isAskedFor = resourceNames === undefined || resourceNames.includes(name);
      return isAskedFor && !(held && Buffer.compare(held.bytes, bytes) === 0);
    });
    const gone =
      kind.isComplete && problems.length === 0
        ? [...this.#resources.keys()].filter(
            (name) => !received.some(({ resource }) => resource.name === name),
          )
        : [];
    for (const each of changed) this.#resources.set(each.resource.name, each);
    for (const name of gone) this.#resources.delete(name);
    this.#answered = true;
    // Accepted before it is acknowledged: an ACK promises that new handshakes already use it.
    for (const { resource } of changed) this.#listeners.notify(resource.name);
    for (const name of gone) this.#listeners.notify(name);
    const [problem] = problems;
    if (problem === undefined) {
      this.#version = response.version_info;
      stream.write(this.#request({ ...answer, version_info: this.#version }));
      return;
    }
    // An unusable resource does not delay the others, so that an SVID is renewed in spite of a bad
    // bundle.
    log.error(`${kind.label} refused, the last one stays`, { error: problem });
    const { message } = problem;
    stream.write(
      this.#request({
        ...answer,
        version_info: this.#version,
        error_detail: { code: status.INVALID_ARGUMENT, message },
      }),
    );
  }

  #request(rest: Omit<DiscoveryRequest, 'node' | 'type_url' | 'resource_names'>): DiscoveryRequest {
    const { nodeId, kind, resourceNames = [] } = this.#options;
    return {
      node: { id: nodeId, cluster: 'federate' },
      type_url: kind.typeUrl,
      resource_names: resourceNames,
      ...rest,
    };
  }
}
