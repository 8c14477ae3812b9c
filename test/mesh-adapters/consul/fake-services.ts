import type { ServerResponse } from 'node:http';
import {
  EXPORTED_SERVICE_LIST_URL,
  EXPORTED_SERVICE_URL,
  type ExportedService,
  exportedServiceListMessage,
  exportedServiceMessage,
  type ReplicationMessage,
} from '../../../src/grpc/index.ts';
import { acceptBundles, type FakeCluster, type FakeRequest, type FakeStream } from './fake-cluster.ts';

type Entry = Record<string, unknown> & { Kind: string; Name: string };

/** One instance of a service with a sidecar, as the catalog shows it. */
export interface FakeInstance {
  readonly service: string;
  readonly address?: string;
  readonly port?: number;
  readonly kind?: string;
  readonly native?: boolean;
  readonly status?: string;
  readonly localPort?: number;
}

/**
 * What a fake cluster has of services: config entries with compare-and-set and the order that Consul
 * gives to intentions, a catalog, and the services that peers announced. A name on no list is
 * deleted, as in the product.
 */
export class FakeServices {
  readonly entries = new Map<string, Entry>();
  instances: FakeInstance[] = [];
  /** The answer to `/v1/agent/self`; undefined refuses it. */
  intentionDefault: 'allow' | 'deny' | undefined = 'deny';
  /** The services that the peer announced, by the name under which they travel. */
  readonly announced = new Map<string, ExportedService>();
  /** Refuses a service by name, with this reason. */
  refusal: ((name: string) => string | undefined) | undefined;
  /** Runs between the reading and the writing of another. */
  beforeWrite: (() => void) | undefined;
  writes = 0;
  /** Answers nothing about services. */
  isSilent = false;
  /** Services and lists that peers sent. */
  received = 0;
  peerings: { Name: string; State: string; Meta: Record<string, string> }[] = [];
  #index = 100;

  constructor(cluster: FakeCluster) {
    cluster.answer = (request, response) => this.#answer(request, response);
    cluster.onStream = (stream) => this.#accept(stream);
  }

  /** Puts an entry in place, as another writer would. */
  put(entry: Entry): void {
    this.#index += 1;
    const sources = entry['Sources'] as Record<string, unknown>[] | undefined;
    // An exact source has precedence 9, and a wildcard 8.
    const precedenceOf = ({ Name }: Record<string, unknown>) => (Name === '*' ? 8 : 9);
    const ordered = sources
      ?.map((source) => ({ ...source, Precedence: precedenceOf(source), Type: 'consul' }))
      .toSorted((a, b) => b.Precedence - a.Precedence);
    this.entries.set(`${entry.Kind}/${entry.Name}`, {
      ...entry,
      ...(ordered && { Sources: ordered }),
      ModifyIndex: this.#index,
      CreateIndex: 1,
      Hash: 1,
    });
  }

  /** An entry without what Consul computes. */
  entry(path: string): Record<string, unknown> | undefined {
    const found = this.entries.get(path);
    if (!found) return undefined;
    const { ModifyIndex: _m, CreateIndex: _c, Hash: _h, ...fields } = found;
    return fields;
  }

  #answer(request: FakeRequest, response: ServerResponse): boolean {
    const { method, path } = request;
    const json = (value: unknown) => {
      response.end(JSON.stringify(value));
      return true;
    };
    if (path === '/v1/peerings') return json(this.peerings);
    if (path === '/v1/agent/self') {
      if (this.intentionDefault !== undefined)
        return json({ Config: {}, DebugConfig: { DefaultIntentionPolicy: this.intentionDefault } });
      response.writeHead(403).end('Permission denied');
      return true;
    }
    if (path === '/v1/catalog/services')
      return json(Object.fromEntries(this.instances.map(({ service }) => [service, []])));
    const [, connect] = /^\/v1\/health\/connect\/(.+)$/.exec(path) ?? [];
    if (connect !== undefined) return json(this.#instancesOf(decodeURIComponent(connect)));
    if (method === 'PUT' && path === '/v1/config') {
      const entry = JSON.parse(request.body) as Entry;
      const key = `${entry.Kind}/${entry.Name}`;
      return json(this.#write(key, request.cas, () => this.put(entry)));
    }
    const [, kind = '', name] = /^\/v1\/config\/([^/]+)(?:\/(.+))?$/.exec(path) ?? [];
    if (kind === '') return false;
    if (name === undefined) return json([...this.entries.values()].filter(({ Kind }) => Kind === kind));
    const key = `${kind}/${decodeURIComponent(name)}`;
    if (method === 'DELETE') return json(this.#write(key, request.cas, () => void this.entries.delete(key)));
    const entry = this.entries.get(key);
    if (entry) return json(entry);
    response.writeHead(404).end('Config entry not found');
    return true;
  }

  #write(key: string, cas: string | null, write: () => void): boolean {
    const interfere = this.beforeWrite;
    this.beforeWrite = undefined;
    interfere?.();
    if (Number(cas) !== (this.entries.get(key)?.['ModifyIndex'] ?? 0)) return false;
    this.writes += 1;
    write();
    return true;
  }

  #instancesOf(name: string): unknown {
    return this.instances
      .filter(({ service }) => service === name)
      .map(
        ({
          address = '',
          port = 20000,
          kind = 'connect-proxy',
          native = false,
          status = 'passing',
          localPort,
        }) => ({
          Node: { Address: '10.0.0.9', Datacenter: 'dc1' },
          Service: {
            Kind: kind,
            ID: `${name}-${address}-${port}`,
            Address: address,
            Port: port,
            Connect: native ? { Native: true } : {},
            Proxy: { ...(localPort !== undefined && { LocalServicePort: localPort }) },
          },
          Checks: [{ Status: status }],
        }),
      );
  }

  #accept(stream: FakeStream): void {
    acceptBundles(stream);
    const request = (resource_url: string, response_nonce = '', reason?: string) =>
      stream.write({
        request: {
          peer_id: '',
          resource_url,
          response_nonce,
          ...(reason !== undefined && { error: { code: 13, message: reason } }),
        },
      });
    stream.on('data', ({ open, response }: ReplicationMessage) => {
      if (open) for (const url of [EXPORTED_SERVICE_URL, EXPORTED_SERVICE_LIST_URL]) request(url);
      if (!response?.resource) return;
      const { resource_url: url, resource_id: id, nonce, resource } = response;
      if (url === EXPORTED_SERVICE_URL || url === EXPORTED_SERVICE_LIST_URL) this.received += 1;
      if (this.isSilent) return;
      if (url === EXPORTED_SERVICE_URL) {
        const reason = this.refusal?.(id);
        if (reason === undefined) this.announced.set(id, exportedServiceMessage.decode(resource.value));
        request(url, nonce, reason);
      } else if (url === EXPORTED_SERVICE_LIST_URL) {
        const { services } = exportedServiceListMessage.decode(resource.value);
        const kept = new Set(services.map((name) => `${name}-sidecar-proxy`));
        for (const name of this.announced.keys()) if (!kept.has(name)) this.announced.delete(name);
        request(url, nonce);
      }
    });
  }
}
