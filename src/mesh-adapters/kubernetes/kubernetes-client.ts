import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import { type Clock, openHttp, pause, readHttpBody } from '../../platform/index.ts';
import { failureOf, type MeshRequest, refusedByStatus } from '../contract/http-request.ts';
import { type ApiAccess, JsonApi } from '../contract/json-api.ts';
import { boundedList, readAnswer, readIfPossible } from '../contract/answer.ts';
import { withDeadline } from '../contract/deadline.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { type ConfigMap, type ConfigMapName, configMapsOf, parseConfigMap } from './config-map.ts';
import { type KubernetesAccess, type KubernetesSource, openKubernetesAccess } from './kubernetes-access.ts';
import {
  type KubernetesCollection,
  type KubernetesObject,
  parseKubernetesObject,
} from './kubernetes-object.ts';
import { linesOf, parseWatchEvent, type WatchEvent } from './watch-events.ts';

/** An object may have 1 MiB of data, and JSON makes line feeds longer. */
const MAX_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 15_000;
/** Pages are small enough for the bytes above unless objects are very large. */
const PAGE_OBJECTS = 100;
const MAX_PAGES = 500;
/**
 * A watch is requested to end by itself after this. One that does not is dead, and is cut a little
 * later.
 */
const WATCH_SECONDS = 240;
const WATCH_GRACE_MS = 30_000;

const LIST = z.object({
  // The server writes an empty list as null here and there.
  items: boundedList(z.unknown()).nullable(),
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
});
const STATUS = z.object({ message: z.string() });

/** With `try` the server judges the object, its webhooks included, and keeps nothing. */
export type WriteMode = 'write' | 'try';
const MODES: Readonly<Record<WriteMode, Readonly<Record<string, string>>>> = {
  write: {},
  try: { dryRun: 'All' },
};

/** Which objects of a collection; all of them without either. */
export interface ObjectSelector {
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** A whole list, and the version from which a watch continues. */
export interface ObjectList {
  readonly items: readonly KubernetesObject[];
  readonly resourceVersion: string;
}

/**
 * The few requests to a Kubernetes API server that the adapters need, each bounded in bytes and
 * time.
 */
export class KubernetesClient {
  readonly #source: KubernetesSource;
  readonly #clock: Clock;
  readonly #api: JsonApi;
  #access: Promise<KubernetesAccess> | undefined;

  constructor(options: { readonly source: KubernetesSource; readonly clock: Clock }) {
    const { source, clock } = options;
    this.#source = source;
    this.#clock = clock;
    this.#api = new JsonApi({ access: () => this.#open(), refusalOf: messageOf, maxBytes: MAX_BYTES, clock });
  }

  /** A ConfigMap. Throws as `getObject`. */
  async get({ namespace, name }: ConfigMapName, signal: AbortSignal): Promise<ConfigMap> {
    return parseConfigMap(await this.getObject(configMapsOf(namespace), name, signal));
  }

  /** A ConfigMap in the place of the version it was read as. Throws as `replaceObject`. */
  async replace(configMap: ConfigMap, signal: AbortSignal): Promise<ConfigMap> {
    const collection = configMapsOf(configMap.metadata.namespace);
    return parseConfigMap(await this.replaceObject(collection, configMap, signal));
  }

  /**
   * Throws `MeshAdapterError`: `mesh-not-found`, and the codes of `refusedByStatus` and
   * `fetchHttp`.
   */
  async getObject(
    collection: KubernetesCollection,
    name: string,
    signal: AbortSignal,
  ): Promise<KubernetesObject> {
    const value = await this.#json('GET', itemPath(collection, name), {}, signal);
    return parseKubernetesObject(value, collection.kind);
  }

  /**
   * Makes an object that is not there, or only tries whether the server would take it. Throws
   * `mesh-conflict` where it is there.
   */
  async createObject(
    collection: KubernetesCollection,
    object: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
    how: WriteMode = 'write',
  ): Promise<KubernetesObject> {
    const value = await this.#json('POST', collection.path, MODES[how], signal, object);
    return parseKubernetesObject(how === 'try' ? withVersion(value) : value, collection.kind);
  }

  /**
   * Replaces an object at the version that was read, or only tries whether the server would take
   * it. Throws `mesh-conflict` where another writer was faster.
   */
  async replaceObject(
    collection: KubernetesCollection,
    object: KubernetesObject,
    signal: AbortSignal,
    how: WriteMode = 'write',
  ): Promise<KubernetesObject> {
    const path = itemPath(collection, object.metadata.name);
    const value = await this.#json('PUT', path, MODES[how], signal, object);
    return parseKubernetesObject(value, collection.kind);
  }

  /**
   * Deletes an object at the version that was read. An object that does not exist is not an error.
   * Throws `mesh-conflict` where another writer changed it meanwhile.
   */
  async deleteObject(
    collection: KubernetesCollection,
    { metadata }: KubernetesObject,
    signal: AbortSignal,
  ): Promise<void> {
    const { name, resourceVersion } = metadata;
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { resourceVersion } };
    try {
      await this.#json('DELETE', itemPath(collection, name), {}, signal, body);
    } catch (error) {
      if (!(error instanceof MeshAdapterError && error.code === 'mesh-not-found')) throw error;
    }
  }

  /**
   * The selected objects, page by page. Throws `mesh-answer-malformed` for a list beyond our
   * limits, `mesh-expired` where the server forgot the list between two pages.
   */
  async listObjects(
    { kind, path }: KubernetesCollection,
    selector: ObjectSelector,
    signal: AbortSignal,
  ): Promise<ObjectList> {
    const found: KubernetesObject[] = [];
    let next: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query = {
        ...selector,
        limit: String(PAGE_OBJECTS),
        ...defined({ continue: next }),
      };
      const value = await this.#json('GET', path, query, signal);
      const { items, metadata } = readAnswer(LIST, value, `a list of ${kind}s`);
      for (const each of items ?? []) found.push(parseKubernetesObject(each, kind));
      next = metadata.continue;
      if (!next) return { items: found, resourceVersion: metadata.resourceVersion };
    }
    throw new MeshAdapterError(
      'mesh-answer-malformed',
      `there are more than ${MAX_PAGES * PAGE_OBJECTS} objects of kind ${kind}`,
    );
  }

  /**
   * Yields the changes of the selected objects after `resourceVersion`, until the server ends the
   * watch. Throws `MeshAdapterError`: `mesh-expired` where the version is too old (list again),
   * `mesh-unreachable` for a broken connection.
   */
  async *watchObjects(
    { kind, path }: KubernetesCollection,
    selector: ObjectSelector,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent> {
    const query = {
      ...selector,
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(WATCH_SECONDS),
      resourceVersion,
    };
    const what = `the watch of ${kind}s (${selector.fieldSelector ?? selector.labelSelector ?? 'all'})`;
    const over = new AbortController();
    const done = new AbortController();
    const longest = WATCH_SECONDS * 1000 + WATCH_GRACE_MS;
    const cut = pause(this.#clock, longest, AbortSignal.any([done.signal, signal])).then(
      (isTooLong) => isTooLong && over.abort(),
    );
    try {
      const both = AbortSignal.any([signal, over.signal]);
      const request = await this.#api.request('GET', path, { query, signal: both });
      // The connection's own keep-alive detects a dead peer long before the watch ends.
      const answer = await withDeadline(
        { ms: TIMEOUT_MS, what, clock: this.#clock, signal: request.signal },
        async (opening) => {
          const opened = await openHttp({ ...request, signal: opening });
          if (opened.statusCode === 200) return opened;
          const body = await readHttpBody(opened, MAX_BYTES);
          throw refusedByStatus(opened.statusCode ?? 0, what, messageOf(body));
        },
      );
      answer.socket.setKeepAlive(true, 30_000);
      yield { kind: 'open', resourceVersion };
      for await (const line of linesOf(answer, MAX_BYTES)) yield parseWatchEvent(line, kind, what);
    } catch (cause) {
      const failure = failureOf(what, cause, signal);
      this.#reconsiderAccess(failure);
      throw failure;
    } finally {
      over.abort();
      done.abort();
      await cut;
    }
  }

  async #json(
    method: MeshRequest['method'],
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<unknown> {
    try {
      return (await this.#api.send(method, path, { query, body, signal })).value;
    } catch (error) {
      this.#reconsiderAccess(error);
      throw error;
    }
  }

  /**
   * A server that has moved, or has other credentials for us, is found by reading the kubeconfig
   * again.
   */
  #reconsiderAccess(error: unknown): void {
    const code = error instanceof MeshAdapterError ? error.code : undefined;
    if (code === 'mesh-unreachable' || code === 'mesh-unauthenticated') this.#access = undefined;
  }

  /** The way to the server is found once, and again after a failure. */
  async #open(): Promise<ApiAccess> {
    this.#access ??= openKubernetesAccess(this.#source);
    try {
      const access = await this.#access;
      return await access();
    } catch (error) {
      this.#access = undefined;
      throw error;
    }
  }
}

/** Reads the message of a `Status` object; empty for another body. */
function messageOf(body: Buffer): string {
  return readIfPossible(STATUS, body.toString('utf8'))?.message ?? '';
}

/** An object that was only tried has no version, because it was not stored. */
function withVersion(value: unknown): unknown {
  const object = Object(value) as { readonly metadata?: unknown };
  return { ...object, metadata: { resourceVersion: '', ...Object(object.metadata) } };
}

function itemPath({ path }: KubernetesCollection, name: string): string {
  return `${path}/${encodeURIComponent(name)}`;
}
