import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createKumaServices } from '../../../src/mesh-adapters/kuma/services.ts';
import { systemClock, systemRandom } from '../../../src/platform/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import type { MeshServicesHarness, SeenImport } from '../../../testkit/contract/mesh-services-contract.ts';
import { refuse } from './fake-control-plane.ts';

interface Resource {
  readonly type: string;
  readonly name: string;
  readonly labels?: Record<string, string>;
  readonly [field: string]: unknown;
}

const OWNER = 'federate.dev/services-of';
const trustDomain = parseTrustDomain('kuma.example');

/** The REST API of a control plane: resources of any kind, with the zone that it writes into labels. */
export class FakeKumaRest {
  readonly resources = new Map<string, Resource>();
  version = '3.0.0';
  refused: string | undefined;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  async start(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  put(plural: string, resource: Resource): void {
    const labels = { 'kuma.io/zone': 'zone-1', ...resource.labels };
    this.resources.set(`${plural}/${resource.name}`, { ...resource, labels });
  }

  of(plural: string): readonly Resource[] {
    return [...this.resources].filter(([path]) => path.startsWith(`${plural}/`)).map(([, each]) => each);
  }

  ours(): readonly (readonly [string, Resource])[] {
    return [...this.resources].filter(([, { labels }]) => labels?.[OWNER] !== undefined);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { pathname } = new URL(request.url ?? '/', 'http://fake');
    if (pathname === '/') {
      response.end(JSON.stringify({ version: this.version }));
      return;
    }
    const [, plural = '', name] = /^\/meshes\/default\/([^/]+)(?:\/([^/]+))?$/.exec(pathname) ?? [];
    if (name === undefined) response.end(JSON.stringify({ items: this.of(plural), next: null }));
    else if (request.method === 'DELETE') {
      this.resources.delete(`${plural}/${name}`);
      response.end();
    } else if (this.refused !== undefined && chunks.join('').includes(this.refused))
      refuse(response, 400, 'Could not process a resource', 'no such luck');
    else {
      this.put(plural, JSON.parse(Buffer.concat(chunks).toString('utf8')) as Resource);
      response.end(JSON.stringify({ warnings: [] }));
    }
  }
}

/** A mesh on Universal: `info` with a Dataplane and an identity, `plain` without an identity. */
export async function openKumaServices(
  experimentalImports: boolean,
): Promise<MeshServicesHarness & { readonly kuma: FakeKumaRest }> {
  const kuma = new FakeKumaRest();
  await kuma.start();
  for (const name of ['info', 'plain'])
    kuma.put('meshservices', {
      type: 'MeshService',
      name,
      spec: {
        selector: { dataplaneLabels: { matchLabels: { app: name } } },
        ports: [{ name: 'http', port: 80, targetPort: 8080, appProtocol: 'http' }],
        ...(name === 'info' && {
          identities: [{ type: 'SpiffeID', value: `spiffe://${trustDomain}/workload/info` }],
        }),
      },
    });
  kuma.put('dataplanes', {
    type: 'Dataplane',
    name: 'info-1',
    labels: { app: 'info' },
    networking: { address: '10.0.0.5', inbound: [{ port: 8080 }] },
  });
  const services = createKumaServices({
    access: { kind: 'rest', address: kuma.url, pollMs: 1000 },
    mesh: 'default',
    origin: undefined,
    experimentalImports,
    own: async () => trustDomain,
    clock: systemClock,
    random: systemRandom,
  });
  return {
    kuma,
    services,
    trustDomain,
    exportable: 'info',
    unexportable: 'plain',
    caller: 'spiffe://west.example/ns/front/sa/ui',
    computesSni: true,
    ...(experimentalImports ? {} : { refusesImports: 'imports-experimental' }),
    state: async () => JSON.stringify([...kuma.resources].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    imports: async () => {
      const seen: Record<string, SeenImport> = {};
      for (const service of kuma.of('meshservices')) {
        const name = service.labels?.['federate.dev/name'];
        if (name === undefined) continue;
        const mark = service.labels?.['federate.dev/import'];
        const spiffeIds = kuma
          .of('meshidentities')
          .filter(({ labels }) => labels?.['federate.dev/import'] === mark)
          .map(({ spec }) => {
            const { trustDomain: where, path } = (spec as { spiffeID: Record<string, string> }).spiffeID;
            return `spiffe://${where}${path}`;
          });
        const { ports } = service['spec'] as { ports: { name: string }[] };
        const sni = ports.map((port) => [
          port.name,
          `sni.msvc.default.${service.labels?.['kuma.io/zone']}.${service.name}.${port.name}`,
        ]);
        seen[name] = { spiffeIds, sni: Object.fromEntries(sni) as Record<string, string> };
      }
      return seen;
    },
    addForeign: async () => {
      kuma.put('meshtrafficpermissions', { type: 'MeshTrafficPermission', name: 'theirs', spec: {} });
      kuma.put('dataplanes', { type: 'Dataplane', name: 'theirs', networking: { address: '10.0.0.9' } });
      kuma.put('meshidentities', { type: 'MeshIdentity', name: 'theirs', spec: {} });
    },
    edit: async () => {
      for (const [path, resource] of kuma.ours()) {
        const edited =
          resource.type === 'MeshIdentity'
            ? { spiffeID: { trustDomain: 'evil.example', path: '/a' } }
            : { rules: [{ default: { allow: [{ spiffeID: { type: 'Prefix', value: 'spiffe://evil' } }] } }] };
        kuma.resources.set(path, {
          ...resource,
          spec: edited,
          ...('networking' in resource && { networking: {} }),
        });
        if (resource.type === 'MeshService') kuma.resources.delete(path);
      }
      return kuma.ours().length;
    },
    refuse: (service) => {
      kuma.refused = service;
    },
    [Symbol.asyncDispose]: () => kuma[Symbol.asyncDispose](),
  };
}
