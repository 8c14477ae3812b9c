import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KubernetesSource } from '../../../src/mesh-adapters/kubernetes/kubernetes-access.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';

/** An object as the fake stores it. */
export interface FakeObject {
  metadata: {
    name: string;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    [other: string]: unknown;
  };
  [other: string]: unknown;
}

export interface FakeConfigMap extends FakeObject {
  kind: 'ConfigMap';
  data: Record<string, string>;
}

/**
 * One request as it arrived; `name` is the object of the request, or that of its field selector.
 */
export interface FakeApiRequest {
  readonly verb: 'get' | 'list' | 'watch' | 'put' | 'post' | 'delete';
  readonly name: string;
  /** Such as `/api/v1/namespaces/linkerd/configmaps`. */
  readonly collection: string;
  readonly resourceVersion: string | null;
  readonly token: string;
  /** The server is to judge the write and to keep nothing (`dryRun=All`). */
  readonly dryRun: boolean;
}

type Selector = (object: FakeObject) => boolean;

/** `/api/v1/…` or `/apis/<group>/<version>/…`, with or without a namespace, then the plural and perhaps a name. */
const PATH =
  /^((?:\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/[^/]+))?\/[^/]+)(?:\/([^/]+))?$/;

/**
 * A Kubernetes API server on loopback that a test controls, also for what no server should do. By
 * default it gets, lists, watches, creates, replaces and deletes objects of any kind by resource
 * version. A name without a slash means the ConfigMap of that name in `istio-system`; other objects
 * are named by their whole path.
 */
export class FakeApiServer {
  readonly requests: FakeApiRequest[] = [];
  readonly #objects = new Map<string, FakeObject>();
  /** Answers a request; true when it did, else the ordinary answer is given. */
  answer: (request: FakeApiRequest, response: ServerResponse) => boolean = () => false;
  /** What came with the request that is answered now. */
  lastBody: FakeObject | undefined;
  /** Called before a PUT is handled: another writer may be faster. */
  beforePut: () => void = () => {};
  /** Called after each write by a client: what a controller in the cluster makes of it. */
  onWrite: () => void = () => {};
  readonly #folder = tempDir();
  readonly #watches = new Set<{ collection: string; selects: Selector; response: ServerResponse }>();
  /** Every change so far, so that a watch gets what happened since its version. */
  readonly #changes: { version: number; collection: string; type: string; object: FakeObject }[] = [];
  #server: Server | undefined;
  #port = 0;
  #version = 100;

  async start(): Promise<void> {
    this.token('good');
    writeFileSync(this.#folder.file('ca.crt'), '');
    this.#server = createServer((request, response) => void this.#serve(request, response));
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Ends every connection and stops listening; `start` takes the same port again. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#watches.clear();
    server?.closeAllConnections();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#folder[Symbol.dispose]();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get source(): KubernetesSource {
    return { kind: 'in-cluster', serviceAccountFolder: this.#folder.path, server: this.url };
  }

  /** The content of the service account's token file from now on. */
  token(text: string): void {
    writeFileSync(this.#folder.file('token'), text);
  }

  /** The ConfigMaps of `istio-system` by name. */
  get objects(): { get(name: string): FakeConfigMap | undefined } {
    return { get: (name) => this.#objects.get(pathOf(name)) as FakeConfigMap | undefined };
  }

  object(path: string): FakeObject | undefined {
    return this.#objects.get(pathOf(path));
  }

  /** Every object with a path that begins with `prefix`, by path. */
  under(prefix: string): Record<string, FakeObject> {
    return Object.fromEntries([...this.#objects].filter(([path]) => path.startsWith(prefix)));
  }

  /** Stores a ConfigMap, as another writer would, and notifies the watches. */
  put(name: string, data: Record<string, string>, more: Record<string, unknown> = {}): void {
    this.putObject(name, { ...this.object(name), ...more, kind: 'ConfigMap', data });
  }

  /**
   * Stores any object, as another writer would, and notifies the watches; metadata is added to the
   * present.
   */
  putObject(
    name: string,
    object: Record<string, unknown> & { metadata?: Record<string, unknown> },
  ): FakeObject {
    const path = pathOf(name);
    const [, , namespace, item = ''] = PATH.exec(path) ?? [];
    const before = this.#objects.get(path);
    const metadata = {
      ...before?.metadata,
      ...object.metadata,
      name: item,
      ...(namespace !== undefined && { namespace }),
      resourceVersion: this.#next(),
    };
    const stored: FakeObject = { ...object, metadata };
    this.#objects.set(path, stored);
    this.announce(name, before ? 'MODIFIED' : 'ADDED', stored);
    return stored;
  }

  delete(name: string): void {
    const object = this.object(name);
    if (!object) return;
    this.#objects.delete(pathOf(name));
    this.announce(name, 'DELETED', {
      ...object,
      metadata: { ...object.metadata, resourceVersion: this.#next() },
    });
  }

  /** Sends an event to every watch of the object. */
  announce(name: string, type: string, object: FakeObject): void {
    const collection = collectionOf(pathOf(name));
    if (type !== 'BOOKMARK') this.#changes.push({ version: this.#version, collection, type, object });
    for (const watch of this.#watches)
      if (watch.collection === collection && watch.selects(object))
        watch.response.write(`${JSON.stringify({ type, object })}\n`);
  }

  bookmark(name: string): void {
    const [, , , item = ''] = PATH.exec(pathOf(name)) ?? [];
    const metadata = { name: item, resourceVersion: this.#next() };
    this.announce(name, 'BOOKMARK', { kind: 'ConfigMap', metadata });
  }

  /** Ends every watch, in good order or by cutting the connection in the middle of an event. */
  endWatches(how: 'end' | 'cut'): void {
    for (const { response } of this.#watches) {
      if (how === 'end') response.end();
      else response.write('{"type":"MODIF', () => response.destroy());
    }
    this.#watches.clear();
  }

  get watches(): number {
    return this.#watches.size;
  }

  count(verb: FakeApiRequest['verb'], name?: string): number {
    return this.requests.filter((each) => each.verb === verb && (name === undefined || each.name === name))
      .length;
  }

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://fake');
    const pathname = decodeURIComponent(url.pathname);
    const [, collection = '', namespace, item] = PATH.exec(pathname) ?? [];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const selected = url.searchParams.get('fieldSelector')?.replace('metadata.name=', '');
    const sent = Buffer.concat(chunks).toString('utf8');
    this.lastBody = sent === '' ? undefined : (JSON.parse(sent) as FakeObject);
    const request: FakeApiRequest = {
      verb: verbOf(incoming.method, item, url.searchParams.get('watch') === 'true'),
      name: item ?? selected ?? '',
      collection,
      resourceVersion: url.searchParams.get('resourceVersion'),
      token: incoming.headers.authorization?.replace('Bearer ', '') ?? '',
      dryRun: url.searchParams.get('dryRun') === 'All',
    };
    this.requests.push(request);
    if (request.verb === 'put') this.beforePut();
    if (this.answer(request, response)) return;
    const body = (): FakeObject => JSON.parse(sent) as FakeObject;
    const selects = selectorOf(url.searchParams);
    if (request.verb === 'list') {
      const items = [...this.#objects]
        .filter(([path, object]) => isIn(collection, path) && selects(object))
        .map(([, object]) => object);
      const metadata = { resourceVersion: String(this.#version) };
      response.end(JSON.stringify({ kind: 'List', metadata, items }));
    } else if (request.verb === 'watch') {
      const entry = { collection, selects, response };
      this.#watches.add(entry);
      response.once('close', () => this.#watches.delete(entry));
      response.flushHeaders();
      for (const { version, type, object, ...change } of this.#changes)
        if (version > Number(request.resourceVersion) && change.collection === collection && selects(object))
          response.write(`${JSON.stringify({ type, object })}\n`);
    } else if (request.verb === 'post') {
      this.#create({ collection, namespace, dryRun: request.dryRun }, body(), response);
    } else {
      this.#item(request, pathname, body, response);
    }
  }

  #create(
    {
      collection,
      namespace,
      dryRun,
    }: { readonly collection: string; readonly namespace: string | undefined; readonly dryRun: boolean },
    sent: FakeObject,
    response: ServerResponse,
  ): void {
    const path = `${collection}/${sent.metadata.name}`;
    if (this.#objects.has(path)) {
      fail(response, 409, `${sent.metadata.name} already exists`);
      return;
    }
    const metadata = {
      ...sent.metadata,
      ...(namespace !== undefined && { namespace }),
      ...(!dryRun && { resourceVersion: this.#next() }),
    };
    const object = { ...sent, metadata };
    // What is only tried gets no version.
    if (!dryRun) this.#store(path, 'ADDED', object);
    response.writeHead(201).end(JSON.stringify(object));
  }

  #item(
    { verb, dryRun }: FakeApiRequest,
    path: string,
    body: () => FakeObject,
    response: ServerResponse,
  ): void {
    const object = this.#objects.get(path);
    if (!object) {
      fail(response, 404, `${path} not found`);
    } else if (verb === 'get') {
      response.end(JSON.stringify(object));
    } else if (verb === 'delete') {
      const { preconditions } = body() as { preconditions?: { resourceVersion?: string } };
      if (preconditions?.resourceVersion !== object.metadata.resourceVersion)
        fail(response, 409, 'the object has been modified');
      else {
        this.delete(path);
        this.onWrite();
        response.end(JSON.stringify({ kind: 'Status', status: 'Success' }));
      }
    } else {
      const sent = body();
      if (sent.metadata.resourceVersion !== object.metadata.resourceVersion) {
        fail(response, 409, 'the object has been modified');
        return;
      }
      const resourceVersion = dryRun ? object.metadata.resourceVersion : this.#next();
      const stored = { ...sent, metadata: { ...sent.metadata, resourceVersion } };
      if (!dryRun) this.#store(path, 'MODIFIED', stored);
      response.end(JSON.stringify(stored));
    }
  }

  #store(path: string, type: 'ADDED' | 'MODIFIED', object: FakeObject): void {
    this.#objects.set(path, object);
    this.announce(path, type, object);
    this.onWrite();
  }
}

function verbOf(
  method: string | undefined,
  item: string | undefined,
  watch: boolean,
): FakeApiRequest['verb'] {
  if (method === 'PUT') return 'put';
  if (method === 'POST') return 'post';
  if (method === 'DELETE') return 'delete';
  if (item !== undefined) return 'get';
  return watch ? 'watch' : 'list';
}

function pathOf(name: string): string {
  return name.startsWith('/') ? name : `/api/v1/namespaces/istio-system/configmaps/${name}`;
}

function collectionOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** A collection without a namespace has the objects of all namespaces. */
function isIn(collection: string, path: string): boolean {
  const own = collectionOf(path);
  return own === collection || own.replace(/\/namespaces\/[^/]+(?=\/)/, '') === collection;
}

/** Selects by name, by labels and by one level of `spec`, all of them as equalities. */
function selectorOf(query: URLSearchParams): Selector {
  const terms = (key: string) => (query.get(key) ?? '').split(',').filter((term) => term !== '');
  const fields = terms('fieldSelector').map((term) => term.split('='));
  const labels = terms('labelSelector').map((term) => term.split('='));
  return ({ metadata, spec }) =>
    labels.every(([key = '', value]) => {
      const found = metadata.labels?.[key];
      return value === undefined ? found !== undefined : found === value;
    }) &&
    fields.every(([key, value]) => {
      if (key === 'metadata.name') return metadata.name === value;
      return Object(spec)[key?.replace('spec.', '') ?? ''] === value;
    });
}

/** Answers with a status and the matching `Status` object. */
export function fail(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code).end(JSON.stringify({ kind: 'Status', status: 'Failure', code, message }));
}

/** Sends half of the announced answer, and breaks the connection. */
export function answerHalf(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 1000 });
  response.write('{"kind":', () => response.destroy());
}
