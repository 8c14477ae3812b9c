import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KubernetesSource } from '../../../src/mesh-adapters/istio/kubernetes-access.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** A ConfigMap as the fake keeps it. */
export interface FakeConfigMap {
  kind: 'ConfigMap';
  metadata: { name: string; namespace: string; resourceVersion: string; [other: string]: unknown };
  data: Record<string, string>;
  [other: string]: unknown;
}

/** One request as it arrived; `name` is the ConfigMap it asks for. */
export interface FakeApiRequest {
  readonly verb: 'get' | 'list' | 'watch' | 'put';
  readonly name: string;
  readonly resourceVersion: string | null;
  readonly token: string;
}

/**
 * A Kubernetes API server on loopback with a few ConfigMaps that does what a test tells it, also what no server should.
 * Untouched it lists, watches and replaces by resource version.
 */
export class FakeApiServer {
  readonly requests: FakeApiRequest[] = [];
  readonly objects = new Map<string, FakeConfigMap>();
  /** Answers a request; true when it did, else the ordinary answer is given. */
  answer: (request: FakeApiRequest, response: ServerResponse) => boolean = () => false;
  /** Called before a PUT is looked at: somebody else may be faster. */
  beforePut: () => void = () => {};
  readonly #folder = tempDir();
  readonly #watches = new Set<{ name: string; response: ServerResponse }>();
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

  /** What the service account's token file says from now on. */
  token(text: string): void {
    writeFileSync(this.#folder.file('token'), text);
  }

  /** Puts an object in place, as another writer would, and tells the watches. */
  put(name: string, data: Record<string, string>, more: Record<string, unknown> = {}): void {
    const before = this.objects.get(name);
    const metadata = { ...before?.metadata, name, namespace: 'istio-system', resourceVersion: this.#next() };
    const object: FakeConfigMap = { ...before, ...more, kind: 'ConfigMap', metadata, data };
    this.objects.set(name, object);
    this.tell(name, before ? 'MODIFIED' : 'ADDED', object);
  }

  delete(name: string): void {
    const object = this.objects.get(name);
    this.objects.delete(name);
    if (object)
      this.tell(name, 'DELETED', {
        ...object,
        metadata: { ...object.metadata, resourceVersion: this.#next() },
      });
  }

  /** Tells an event to every watch of the object. */
  tell(name: string, type: string, object: unknown): void {
    for (const watch of this.#watches)
      if (watch.name === name) watch.response.write(`${JSON.stringify({ type, object })}\n`);
  }

  bookmark(name: string): void {
    this.tell(name, 'BOOKMARK', { kind: 'ConfigMap', metadata: { resourceVersion: this.#next() } });
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
    const item = /\/configmaps\/([^/]+)$/.exec(url.pathname)?.[1];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const name = item ?? url.searchParams.get('fieldSelector')?.replace('metadata.name=', '') ?? '';
    const watch = url.searchParams.get('watch') === 'true';
    const request: FakeApiRequest = {
      verb: incoming.method === 'PUT' ? 'put' : item !== undefined ? 'get' : watch ? 'watch' : 'list',
      name,
      resourceVersion: url.searchParams.get('resourceVersion'),
      token: incoming.headers.authorization?.replace('Bearer ', '') ?? '',
    };
    this.requests.push(request);
    if (request.verb === 'put') this.beforePut();
    if (this.answer(request, response)) return;
    const object = this.objects.get(name);
    if (request.verb === 'list') {
      const metadata = { resourceVersion: String(this.#version) };
      response.end(JSON.stringify({ kind: 'ConfigMapList', metadata, items: object ? [object] : [] }));
    } else if (request.verb === 'watch') {
      const entry = { name, response };
      this.#watches.add(entry);
      response.once('close', () => this.#watches.delete(entry));
      response.flushHeaders();
    } else if (!object) {
      fail(response, 404, `configmaps "${name}" not found`);
    } else if (request.verb === 'get') {
      response.end(JSON.stringify(object));
    } else {
      const sent = JSON.parse(Buffer.concat(chunks).toString('utf8')) as FakeConfigMap;
      if (sent.metadata.resourceVersion !== object.metadata.resourceVersion) {
        fail(response, 409, 'the object has been modified');
        return;
      }
      const stored = { ...sent, metadata: { ...sent.metadata, resourceVersion: this.#next() } };
      this.objects.set(name, stored);
      this.tell(name, 'MODIFIED', stored);
      response.end(JSON.stringify(stored));
    }
  }
}

/** Answers with a status and the `Status` object that goes with it. */
export function fail(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code).end(JSON.stringify({ kind: 'Status', status: 'Failure', code, message }));
}

/** Answers with half of what was announced, and breaks the connection. */
export function answerHalf(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 1000 });
  response.write('{"kind":', () => response.destroy());
}
