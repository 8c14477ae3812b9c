import type { Clock } from '../../platform/index.ts';
import {
  fetchHttp,
  type HttpRequest,
  openHttp,
  parseJsonAnswer,
  readBody,
  refusedByStatus,
} from '../http-request.ts';
import { withDeadline } from '../deadline.ts';
import { MeshAdapterError } from '../errors.ts';
import { type ConfigMap, parseConfigMap } from './config-map.ts';
import { type KubernetesAccess, type KubernetesSource, openKubernetesAccess } from './kubernetes-access.ts';

/** An object may have 1 MiB of data, and JSON makes line feeds longer. */
const MAX_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 15_000;
/** A watch is asked to end by itself after this; one that does not is dead, and is cut a little later. */
const WATCH_SECONDS = 240;
const WATCH_GRACE_MS = 30_000;

export interface ConfigMapName {
  readonly namespace: string;
  readonly name: string;
}

/** What a watch tells: that the server has taken it, a new state of the object, that it is gone, or only how far the watch has come. */
export interface WatchEvent {
  readonly resourceVersion: string;
  readonly object?: ConfigMap | undefined;
  readonly kind: 'open' | 'object' | 'gone' | 'bookmark';
}

/** The few requests to a Kubernetes API server that the adapter needs, each bounded in bytes and time. */
export class KubernetesClient {
  readonly #source: KubernetesSource;
  readonly #clock: Clock;
  #access: Promise<KubernetesAccess> | undefined;

  constructor(options: { readonly source: KubernetesSource; readonly clock: Clock }) {
    this.#source = options.source;
    this.#clock = options.clock;
  }

  /** Throws `MeshAdapterError`: `mesh-not-found`, and the codes of `refusedByStatus` and `fetchHttp`. */
  async get(target: ConfigMapName, signal: AbortSignal): Promise<ConfigMap> {
    return parseConfigMap(await this.#json('GET', itemPath(target), {}, signal));
  }

  /** Writes an object in the place of the version it was read as. Throws `mesh-conflict` where somebody was faster. */
  async replace(configMap: ConfigMap, signal: AbortSignal): Promise<ConfigMap> {
    const { metadata } = configMap;
    return parseConfigMap(await this.#json('PUT', itemPath(metadata), {}, signal, configMap));
  }

  /** The object, if it is there, and the version from which a watch goes on. */
  async list(
    { namespace, name }: ConfigMapName,
    signal: AbortSignal,
  ): Promise<{ readonly object?: ConfigMap; readonly resourceVersion: string }> {
    const query = { fieldSelector: `metadata.name=${name}` };
    const value = await this.#json('GET', collectionPath(namespace), query, signal);
    const { items, metadata } = Object(value) as { items?: unknown; metadata?: unknown };
    const { resourceVersion } = Object(metadata) as { resourceVersion?: unknown };
    if (!Array.isArray(items) || typeof resourceVersion !== 'string')
      throw new MeshAdapterError('mesh-answer-malformed', 'a list of ConfigMaps has no items or no version');
    const object = items
      .map(parseConfigMap)
      .find(({ metadata: found }) => found.name === name && found.namespace === namespace);
    return { resourceVersion, ...(object && { object }) };
  }

  /**
   * What happens to the object after `resourceVersion`, until the server ends the watch. Throws `MeshAdapterError`:
   * `mesh-expired` where the version is too old (list again), `mesh-unreachable` for a broken connection.
   */
  async *watch(
    { namespace, name }: ConfigMapName,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent> {
    const query = {
      watch: 'true',
      fieldSelector: `metadata.name=${name}`,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(WATCH_SECONDS),
      resourceVersion,
    };
    const over = new AbortController();
    const done = new AbortController();
    const cut = this.#clock
      .sleep(WATCH_SECONDS * 1000 + WATCH_GRACE_MS, AbortSignal.any([done.signal, signal]))
      .then(
        () => over.abort(),
        () => {},
      );
    const request = await this.#request(
      'GET',
      collectionPath(namespace),
      query,
      AbortSignal.any([signal, over.signal]),
    );
    try {
      // The connection's own keep-alive finds a peer that is gone long before the watch's end does.
      const answer = await withDeadline(
        {
          ms: TIMEOUT_MS,
          what: `the watch of ConfigMap ${name}`,
          clock: this.#clock,
          signal: request.signal,
        },
        async (opening) => {
          const opened = await openHttp({ ...request, signal: opening });
          if (opened.statusCode === 200) return opened;
          const body = await readBody(opened, request, MAX_BYTES);
          throw refusedByStatus(opened.statusCode ?? 0, `the watch of ConfigMap ${name}`, messageOf(body));
        },
      );
      answer.socket.setKeepAlive(true, 30_000);
      yield { kind: 'open', resourceVersion };
      for await (const line of linesOf(answer)) yield parseWatchEvent(line, name);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      this.#reconsiderAccess(cause);
      if (cause instanceof MeshAdapterError) throw cause;
      throw new MeshAdapterError('mesh-unreachable', `the watch of ConfigMap ${name} broke`, { cause });
    } finally {
      over.abort();
      done.abort();
      await cut;
    }
  }

  async #json(
    method: 'GET' | 'PUT',
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<unknown> {
    const request = await this.#request(method, path, query, signal, body);
    const limits = { maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS, clock: this.#clock };
    const what = `${method} ${path}`;
    try {
      const answer = await fetchHttp(request, limits);
      if (answer.status !== 200) throw refusedByStatus(answer.status, what, messageOf(answer.body));
      return parseJsonAnswer(answer.body, what);
    } catch (error) {
      this.#reconsiderAccess(error);
      throw error;
    }
  }

  /** A server that is elsewhere by now, or has other credentials for us, is found by reading the kubeconfig again. */
  #reconsiderAccess(error: unknown): void {
    const code = error instanceof MeshAdapterError ? error.code : undefined;
    if (code === 'mesh-unreachable' || code === 'mesh-unauthenticated') this.#access = undefined;
  }

  async #request(
    method: 'GET' | 'PUT',
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<HttpRequest> {
    const { server, connection } = await this.#open();
    const credentials = await connection().catch((error: unknown) => {
      this.#access = undefined;
      throw error;
    });
    const url = new URL(server);
    url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
    url.search = new URLSearchParams(query).toString();
    return {
      method,
      url,
      headers: {
        accept: 'application/json',
        'user-agent': 'federate',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      connection: credentials,
      signal,
    };
  }

  /** Found once, and again after a failure. */
  async #open(): Promise<KubernetesAccess> {
    this.#access ??= openKubernetesAccess(this.#source);
    try {
      return await this.#access;
    } catch (error) {
      this.#access = undefined;
      throw error;
    }
  }
}

/** Whole lines; what a broken connection left of one is dropped. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncIterable<string> {
  let pending: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
      const line = Buffer.concat([...pending, chunk.subarray(from, end)]).toString('utf8');
      pending = [];
      bytes = 0;
      from = end + 1;
      if (line.trim() !== '') yield line;
    }
    pending.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > MAX_BYTES)
      throw new MeshAdapterError('mesh-answer-malformed', `a watch event is longer than ${MAX_BYTES} bytes`);
  }
}

function parseWatchEvent(line: string, name: string): WatchEvent {
  const value = parseJsonAnswer(Buffer.from(line), `the watch of ConfigMap ${name}`);
  const { type, object } = Object(value) as { type?: unknown; object?: unknown };
  if (type === 'ERROR') {
    const { code, message } = Object(object) as { code?: unknown; message?: unknown };
    throw refusedByStatus(
      typeof code === 'number' ? code : 500,
      `the watch of ConfigMap ${name}`,
      typeof message === 'string' ? message : '',
    );
  }
  if (type === 'BOOKMARK') {
    const { metadata } = Object(object) as { metadata?: unknown };
    const { resourceVersion } = Object(metadata) as { resourceVersion?: unknown };
    if (typeof resourceVersion === 'string') return { kind: 'bookmark', resourceVersion };
  }
  if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') {
    const configMap = parseConfigMap(object);
    const { resourceVersion } = configMap.metadata;
    return type === 'DELETED'
      ? { kind: 'gone', resourceVersion }
      : { kind: 'object', resourceVersion, object: configMap };
  }
  throw new MeshAdapterError(
    'mesh-answer-malformed',
    `the watch of ConfigMap ${name} told an event that is none: ${JSON.stringify(type)}`,
  );
}

/** The sentence of a `Status` object; nothing for a body that is none. */
function messageOf(body: Buffer): string {
  try {
    const { message } = Object(JSON.parse(body.toString('utf8'))) as { message?: unknown };
    return typeof message === 'string' ? message : '';
  } catch {
    return '';
  }
}

function collectionPath(namespace: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`;
}

function itemPath({ namespace, name }: ConfigMapName): string {
  return `${collectionPath(namespace)}/${encodeURIComponent(name)}`;
}
