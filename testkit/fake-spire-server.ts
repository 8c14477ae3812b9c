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
  type SpireFederationRelationship,
  type SpireStatus,
  spireBundleService,
  spireTrustDomainService,
} from '../src/grpc/index.ts';

type Call = keyof typeof spireBundleService | keyof typeof spireTrustDomainService;

/** What a test may do in the place of an answer: refuse with a status, or say nothing at all. */
export type FakeSpireFault = { readonly code: number; readonly message: string } | 'silence' | undefined;

/**
 * A SPIRE server's API with the behaviour of the product, which interop/support/spire-adapter-checks.ts watches: its own trust domain
 * is refused, a lower sequence is taken without complaint, taint does not come in by the API, authorities come in any order, lists
 * come in pages of which the last is empty, a bundle that registration entries federate with is only deleted when asked to, what is
 * polled by the configuration file is in no list. Whoever comes by the Unix socket is an administrator, over TLS who shows one of
 * `admins`.
 */
export class FakeSpireServer {
  own: SpireBundle;
  readonly federated = new Map<string, SpireBundle>();
  /** Relationships that came by the API, without bundles. */
  readonly relationships = new Map<string, SpireFederationRelationship>();
  /** Trust domains that the configuration file federates with. */
  readonly polledByFile = new Set<string>();
  /** What SPIRE finds where it polls; a trust domain that is not here cannot be polled. */
  readonly endpoints = new Map<string, SpireBundle>();
  /** Trust domains that each registration entry federates with. */
  entries: string[][] = [];
  admins = new Set<string>();
  /** Its datastore cannot delete relationships just now. */
  keepRelationships = false;
  pageSize = 2;
  fault: (call: Call) => FakeSpireFault = () => undefined;
  /** What one bundle is refused with although the call succeeds. */
  refuse: (trustDomain: string, bundle?: SpireBundle) => SpireStatus | undefined = () => undefined;
  /** What the deletion of one bundle is refused with although the call succeeds. */
  refuseDelete: (trustDomain: string) => SpireStatus | undefined = () => undefined;
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
      GetFederatedBundle: this.#handler('GetFederatedBundle', ({ trust_domain: name }) => {
        const bundle = this.federated.get(String(name));
        if (!bundle) throw new Refused(status.NOT_FOUND, 'bundle not found');
        return shuffled(bundle);
      }),
      BatchDeleteFederatedBundle: this.#handler('BatchDeleteFederatedBundle', ({ trust_domains, mode }) => ({
        results: (trust_domains as string[]).map((name) => ({
          status: this.#delete(name, mode as number),
          trust_domain: name,
        })),
      })),
    });
    server.addService(spireTrustDomainService, {
      ListFederationRelationships: this.#handler('ListFederationRelationships', (page) => {
        const [found, next] = this.#page([...this.relationships.values()], page);
        return { federation_relationships: found, next_page_token: next };
      }),
      BatchCreateFederationRelationship: this.#handler('BatchCreateFederationRelationship', (request) =>
        resultsOf(request, (each) => this.#link(each, 'create')),
      ),
      BatchUpdateFederationRelationship: this.#handler('BatchUpdateFederationRelationship', (request) =>
        resultsOf(request, (each) => this.#link(each, 'update')),
      ),
      BatchDeleteFederationRelationship: this.#handler(
        'BatchDeleteFederationRelationship',
        ({ trust_domains }) => ({
          results: (trust_domains as string[]).map((name) => ({
            status: this.#unlink(name),
            trust_domain: name,
          })),
        }),
      ),
      RefreshBundle: this.#handler('RefreshBundle', ({ trust_domain: name }) => this.#poll(String(name))),
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
      else {
        try {
          reply(null, answer(request.request));
        } catch (error) {
          if (error instanceof Refused) reply({ code: error.code, details: error.message });
          else throw error;
        }
      }
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
    const to = Math.min(
      items.length,
      from + Math.min(this.pageSize, Number(page['page_size']) || this.pageSize),
    );
    return [items.slice(from, to), to > from ? String(to) : ''];
  }

  #poll(name: string): object {
    if (!this.relationships.has(name) && !this.polledByFile.has(name))
      throw new Refused(status.NOT_FOUND, `no relationship with trust domain ${JSON.stringify(name)}`);
    const found = this.endpoints.get(name);
    if (!found)
      throw new Refused(
        status.INTERNAL,
        'failed to refresh bundle: failed to fetch federated bundle from endpoint',
      );
    this.federated.set(name, found);
    return {};
  }

  #link(relationship: SpireFederationRelationship, how: 'create' | 'update'): SpireStatus {
    const { trust_domain: name, trust_domain_bundle: bundle, ...rest } = relationship;
    const refused = this.refuse(name, bundle);
    if (refused) return refused;
    if (name === this.own.trust_domain)
      return {
        code: status.INVALID_ARGUMENT,
        message: 'unable to create federation relationship for server trust domain',
      };
    if (this.relationships.has(name) === (how === 'create'))
      return { code: status.INTERNAL, message: `failed to ${how} federation relationship` };
    this.relationships.set(name, { trust_domain: name, ...rest });
    if (bundle) this.#set(bundle);
    return OK;
  }

  #unlink(name: string): SpireStatus {
    if (this.keepRelationships)
      return { code: status.INTERNAL, message: 'failed to delete federation relationship' };
    return this.relationships.delete(name)
      ? OK
      : { code: status.NOT_FOUND, message: 'federation relationship not found' };
  }

  #set(bundle: SpireBundle): SpireStatus {
    const { trust_domain: name } = bundle;
    const refused = this.refuse(name, bundle);
    if (refused) return refused;
    if (name === this.own.trust_domain)
      return {
        code: status.INVALID_ARGUMENT,
        message: "setting a federated bundle for the server's own trust domain is not allowed",
      };
    this.federated.set(name, {
      ...bundle,
      x509_authorities: bundle.x509_authorities.map((each) => ({ ...each, tainted: false })),
    });
    return OK;
  }

  #delete(name: string, mode: number): SpireStatus {
    const refused = this.refuseDelete(name);
    if (refused) return refused;
    if (!this.federated.has(name)) return { code: status.NOT_FOUND, message: 'bundle not found' };
    const used = this.entries.some((entry) => entry.includes(name));
    if (used && mode === SPIRE_DELETE_MODE.restrict)
      return {
        code: status.FAILED_PRECONDITION,
        message:
          'failed to delete federated bundle: datastore-sql: cannot delete bundle; federated with 1 registration entries',
      };
    if (mode === SPIRE_DELETE_MODE.delete)
      this.entries = this.entries.filter((entry) => !entry.includes(name));
    else this.entries = this.entries.map((entry) => entry.filter((each) => each !== name));
    this.federated.delete(name);
    return OK;
  }
}

const OK: SpireStatus = { code: 0, message: 'OK' };

/** A call that fails as a whole. */
class Refused extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

function resultsOf(
  request: Record<string, unknown>,
  work: (relationship: SpireFederationRelationship) => SpireStatus,
): object {
  const relationships = request['federation_relationships'] as SpireFederationRelationship[];
  return { results: relationships.map((each) => ({ status: work(each) })) };
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
