import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A MeshTrust as the REST API returns it. */
export interface FakeMeshTrust {
  type: 'MeshTrust';
  mesh: string;
  name: string;
  labels: Record<string, string>;
  spec: { trustDomain: string; caBundles: { type: 'Pem'; pem: { value: string } }[] };
  status?: { origin: { kri: string } };
}

export interface FakeKumaRequest {
  readonly method: string;
  readonly path: string;
  readonly token: string;
}

/**
 * The REST API of a Kuma control plane for MeshTrusts, with the product's laxness: it accepts any
 * trust domain, reads the first PEM block only, has no versions, and joins all MeshTrusts of one
 * trust domain. A test may answer instead.
 */
export class FakeKumaControlPlane {
  readonly requests: FakeKumaRequest[] = [];
  /** By mesh and name, in the order in which they were made. */
  readonly trusts = new Map<string, FakeMeshTrust>();
  warnings: string[] = [];
  pageSize = 100;
  answer: (request: FakeKumaRequest, response: ServerResponse) => boolean = () => false;
  #server: Server | undefined;
  #port = 0;

  async start(port = this.#port): Promise<void> {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    await once(this.#server.listen(port, '127.0.0.1'), 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Stores a MeshTrust, as another writer would. */
  put(name: string, trustDomain: string, pems: readonly string[], more: Partial<FakeMeshTrust> = {}): void {
    const caBundles = pems.map((value) => ({ type: 'Pem' as const, pem: { value } }));
    const trust = { type: 'MeshTrust' as const, mesh: 'default', name, labels: {}, ...more };
    this.trusts.set(`${trust.mesh}/${name}`, { ...trust, spec: { trustDomain, caBundles } });
  }

  /** Puts the MeshTrust in place that the control plane makes from a MeshIdentity. */
  putOwn(trustDomain: string, pems: readonly string[], identity = 'identity'): void {
    const kri = `kri_mid_default_zone-1_kuma-system_${identity}_`;
    this.put(identity, trustDomain, pems, { status: { origin: { kri } } });
  }

  /** What every proxy of the mesh would trust, by trust domain. */
  inEffect(mesh = 'default'): Record<string, string[]> {
    const joined: Record<string, string[]> = {};
    for (const { mesh: where, spec } of this.trusts.values()) {
      if (where !== mesh) continue;
      (joined[spec.trustDomain] ??= []).push(...spec.caBundles.map(({ pem }) => pem.value));
    }
    return joined;
  }

  count(method: string): number {
    return this.requests.filter((each) => each.method === method).length;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://fake');
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const request = {
      method: incoming.method ?? '',
      path: url.pathname,
      token: incoming.headers.authorization?.replace('Bearer ', '') ?? '',
    };
    this.requests.push(request);
    if (this.answer(request, response)) return;
    const [, mesh = '', name] = /^\/meshes\/([^/]+)\/meshtrusts(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
    const key = `${mesh}/${name}`;
    if (name === undefined) this.#list(mesh, url, response);
    else if (request.method === 'PUT')
      this.#put(key, JSON.parse(Buffer.concat(chunks).toString('utf8')) as FakeMeshTrust, response);
    else if (!this.trusts.has(key)) refuse(response, 404, 'Could not retrieve a resource', 'Not found');
    else {
      this.trusts.delete(key);
      response.end();
    }
  }

  #list(mesh: string, url: URL, response: ServerResponse): void {
    const all = [...this.trusts.values()].filter((trust) => trust.mesh === mesh);
    const offset = Number(url.searchParams.get('offset') ?? 0);
    const size = Math.min(this.pageSize, Number(url.searchParams.get('size') ?? 100));
    const end = offset + size;
    const next =
      end < all.length ? `http://internal.name.invalid:5681${url.pathname}?offset=${end}&size=${size}` : null;
    response.end(JSON.stringify({ total: all.length, items: all.slice(offset, end), next }));
  }

  #put(key: string, { type, mesh, name, labels, spec }: FakeMeshTrust, response: ServerResponse): void {
    const bad = spec.caBundles.findIndex(({ pem }) => !/-----BEGIN (?!.*PRIVATE KEY)/.test(pem.value));
    if (spec.trustDomain === '' || spec.caBundles.length === 0 || bad >= 0) {
      const field = `spec.caBundles[${Math.max(bad, 0)}].pem.value`;
      const reason = 'provided certificate has incorrect format';
      refuse(response, 400, 'Could not process a resource', 'Resource is not valid', [{ field, reason }]);
      return;
    }
    const before = this.trusts.get(key);
    const status = before?.status;
    this.trusts.set(key, { type, mesh, name, labels, spec, ...(status && { status }) });
    response.writeHead(before ? 200 : 201).end(JSON.stringify({ warnings: this.warnings }));
  }
}

/** Answers as the product refuses. */
export function refuse(
  response: ServerResponse,
  status: number,
  title: string,
  detail: string,
  parameters?: readonly { readonly field: string; readonly reason: string }[],
): void {
  response.writeHead(status).end(
    JSON.stringify({
      type: '/std-errors',
      status,
      title,
      detail,
      instance: 'trace',
      ...(parameters && { invalid_parameters: parameters }),
    }),
  );
}
