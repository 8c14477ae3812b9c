import type { ServerResponse } from 'node:http';
import {
  EXPORTED_SERVICE_LIST_URL,
  EXPORTED_SERVICE_URL,
  type ExportedService,
  exportedServiceListMessage,
  exportedServiceMessage,
  PEERING_TRUST_BUNDLE_URL,
  peeringTrustBundleMessage,
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
  /** The services that each peer announced: by trust domain, and by the name under which they travel. */
  readonly announcedBy = new Map<string, Map<string, ExportedService>>();
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

  /** What `west.example` announced. */
  get announced(): Map<string, ExportedService> {
    return this.#announcedOf('west.example');
  }

  #announcedOf(trustDomain: string): Map<string, ExportedService> {
    const found = this.announcedBy.get(trustDomain) ?? new Map<string, ExportedService>();
    this.announcedBy.set(trustDomain, found);
    return found;
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

  /** Every entry without what Consul computes. */
  allEntries(): readonly unknown[] {
    return [...this.entries.keys()].toSorted().map((path) => this.entry(path));
  }

  /** Turns the action of every source with our mark around; returns how many there were. */
  turnSources(): number {
    let turned = 0;
    for (const entry of this.entries.values()) {
      const sources = entry['Sources'] as Record<string, unknown>[] | undefined;
      if (!sources) continue;
      const next = sources.map((source) => {
        if (source['Description'] !== 'managed by federate') return source;
        turned += 1;
        return { ...source, Action: source['Action'] === 'allow' ? 'deny' : 'allow' };
      });
      this.put({ ...entry, Sources: next });
    }
    return turned;
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
    if (connect !== undefined && request.peer !== null)
      return json(this.#importedOf(request.peer, decodeURIComponent(connect)));
    if (connect !== undefined) return json(this.#instancesOf(decodeURIComponent(connect)));
    const [, written] = /^\/v1\/config\/[^/]+\/(.+)$/.exec(path) ?? [];
    const subject = method === 'PUT' ? /"Name":"([^"]+)"/.exec(request.body)?.[1] : written;
    const reason = method === 'GET' ? undefined : this.refusal?.(subject ?? '');
    if (reason !== undefined) {
      response.writeHead(400).end(reason);
      return true;
    }
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

  #importedOf(peer: string, name: string): unknown {
    const trustDomain = this.peerings.find(({ Name }) => Name === peer)?.Meta['federate-trust-domain'] ?? '';
    const { nodes = [] } = this.#announcedOf(trustDomain).get(`${name}-sidecar-proxy`) ?? {};
    return nodes.map(({ service, checks }) => ({
      Service: {
        Address: service.address,
        Port: service.port,
        Connect: {
          PeerMeta: {
            SNI: service.connect?.peer_meta?.sni,
            SpiffeID: service.connect?.peer_meta?.spiffe_id,
            Protocol: service.connect?.peer_meta?.protocol,
          },
        },
      },
      Checks: checks.map(({ status }) => ({ Status: status })),
    }));
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
    let trustDomain = '';
    stream.on('data', ({ open, response }: ReplicationMessage) => {
      if (open) for (const url of [EXPORTED_SERVICE_URL, EXPORTED_SERVICE_LIST_URL]) request(url);
      if (!response?.resource) return;
      const { resource_url: url, resource_id: id, nonce, resource } = response;
      if (url === PEERING_TRUST_BUNDLE_URL)
        trustDomain = peeringTrustBundleMessage.decode(resource.value).trust_domain;
      const announced = this.#announcedOf(trustDomain);
      if (url === EXPORTED_SERVICE_URL || url === EXPORTED_SERVICE_LIST_URL) this.received += 1;
      if (this.isSilent) return;
      if (url === EXPORTED_SERVICE_URL) {
        const reason = this.refusal?.(id);
        if (reason === undefined) announced.set(id, exportedServiceMessage.decode(resource.value));
        request(url, nonce, reason);
      } else if (url === EXPORTED_SERVICE_LIST_URL) {
        const { services } = exportedServiceListMessage.decode(resource.value);
        const kept = new Set(services.map((name) => `${name}-sidecar-proxy`));
        for (const name of announced.keys()) if (!kept.has(name)) announced.delete(name);
        request(url, nonce);
      }
    });
  }
}
