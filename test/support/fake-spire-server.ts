import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { X509Certificate } from 'node:crypto';
import {
  SPIRE_DELETE_MODE,
  type SpireBundle,
  type SpireStatus,
  spireBundleService,
  spireTrustDomainService,
} from '../../src/grpc/index.ts';

type Call = keyof typeof spireBundleService | keyof typeof spireTrustDomainService;

/** What a test may do in the place of an answer: refuse with a status, or say nothing at all. */
export type FakeSpireFault = { readonly code: number; readonly message: string } | 'silence' | undefined;

/**
 * A SPIRE server's API with the behaviour of the product: its own trust domain is refused, a lower sequence is taken
 * without complaint, authorities come in any order, lists come in pages, a bundle that registration entries federate with
 * is only deleted when asked to. Whoever comes by the Unix socket is an administrator, over TLS who shows one of `admins`.
 */
export class FakeSpireServer {
  own: SpireBundle;
  readonly federated = new Map<string, SpireBundle>();
  /** Trust domains with a relationship: SPIRE polls these by itself. */
  readonly polled = new Set<string>();
  /** Trust domains that each registration entry federates with. */
  entries: string[][] = [];
  admins = new Set<string>();
  pageSize = 2;
  fault: (call: Call) => FakeSpireFault = () => undefined;
  /** What one bundle is refused with although the call succeeds. */
  refuse: (trustDomain: string) => SpireStatus | undefined = () => undefined;
  readonly calls: Call[] = [];
  #server: Server | undefined;

  constructor(own: SpireBundle) {
    this.own = own;
  }

  /** Listens on a Unix socket, or with TLS on a port of its choice, which it gives. */
  async start(
    where:
      | { readonly socket: string }
      | { readonly certPem: string; readonly keyPem: string; readonly rootsPem: string },
  ): Promise<number> {
    const server = new Server();
    this.#server = server;
    server.addService(spireBundleService, {
      GetBundle: this.#handler('GetBundle', () => shuffled(this.own)),
      ListFederatedBundles: this.#handler('ListFederatedBundles', (page) => {
        const [bundles, next] = this.#page([...this.federated.values()].map(shuffled), page);
        return { bundles, next_page_token: next };
      }),
      BatchSetFederatedBundle: this.#handler('BatchSetFederatedBundle', ({ bundle }) => ({
        results: (bundle as SpireBundle[]).map((each) => ({ status: this.#set(each) })),
      })),
      BatchDeleteFederatedBundle: this.#handler('BatchDeleteFederatedBundle', ({ trust_domains, mode }) => ({
        results: (trust_domains as string[]).map((name) => ({
          status: this.#delete(name, mode as number),
          trust_domain: name,
        })),
      })),
    });
    server.addService(spireTrustDomainService, {
      ListFederationRelationships: this.#handler('ListFederationRelationships', (page) => {
        const [names, next] = this.#page([...this.polled], page);
        const relationships = names.map((name) => ({
          trust_domain: name,
          bundle_endpoint_url: `https://${name}/`,
        }));
        return { federation_relationships: relationships, next_page_token: next };
      }),
    });
    const credentials =
      'socket' in where
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(
            Buffer.from(where.rootsPem),
            [{ cert_chain: Buffer.from(where.certPem), private_key: Buffer.from(where.keyPem) }],
            true,
          );
    const address = 'socket' in where ? `unix://${where.socket}` : '127.0.0.1:0';
    return await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
  }

  async stop(): Promise<void> {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  #handler(call: Call, answer: (request: Record<string, unknown>) => object): UntypedHandleCall {
    return (request: ServerUnaryCall<Record<string, unknown>, object>, reply: sendUnaryData<object>) => {
      this.calls.push(call);
      const fault = this.fault(call);
      if (fault === 'silence') return;
      if (fault) reply({ code: fault.code, details: fault.message });
      else if (call !== 'GetBundle' && !this.#isAdmin(request))
        reply({
          code: status.PERMISSION_DENIED,
          details: 'the caller must be local or present an admin X509-SVID',
        });
      else reply(null, answer(request.request));
    };
  }

  #isAdmin(call: ServerUnaryCall<unknown, unknown>): boolean {
    const { sslPeerCertificate } = call.getAuthContext();
    if (!sslPeerCertificate) return true;
    const names = new X509Certificate(sslPeerCertificate.raw).subjectAltName ?? '';
    return this.admins.has(names.replace('URI:', ''));
  }

  #page<Item>(items: readonly Item[], page: Record<string, unknown>): [Item[], string] {
    const from = Number(page['page_token'] ?? 0);
    const to = from + Math.min(this.pageSize, Number(page['page_size']) || this.pageSize);
    return [items.slice(from, to), to < items.length ? String(to) : ''];
  }

  #set(bundle: SpireBundle): SpireStatus {
    const { trust_domain: name } = bundle;
    const refused = this.refuse(name);
    if (refused) return refused;
    if (name === this.own.trust_domain)
      return {
        code: status.INVALID_ARGUMENT,
        message: 'updating a federated bundle for the server own trust domain is not allowed',
      };
    this.federated.set(name, bundle);
    return { code: 0, message: 'OK' };
  }

  #delete(name: string, mode: number): SpireStatus {
    if (!this.federated.has(name)) return { code: status.NOT_FOUND, message: 'bundle not found' };
    const used = this.entries.some((entry) => entry.includes(name));
    if (used && mode === SPIRE_DELETE_MODE.restrict)
      return { code: status.FAILED_PRECONDITION, message: 'cannot delete bundle; federated with an entry' };
    if (mode === SPIRE_DELETE_MODE.delete)
      this.entries = this.entries.filter((entry) => !entry.includes(name));
    else this.entries = this.entries.map((entry) => entry.filter((each) => each !== name));
    this.federated.delete(name);
    return { code: 0, message: 'OK' };
  }
}

/** The product gives authorities in any order. */
function shuffled(bundle: SpireBundle): SpireBundle {
  const anyOrder = <Item>(items: readonly Item[]) =>
    items
      .map((item) => ({ item, at: Math.random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  return {
    ...bundle,
    x509_authorities: anyOrder(bundle.x509_authorities),
    jwt_authorities: anyOrder(bundle.jwt_authorities),
  };
}
