import type { Client, MethodDefinition } from '@grpc/grpc-js';
import {
  SPIRE_DELETE_MODE,
  type SpireBundle,
  type SpireFederationRelationship,
  type SpireStatus,
  spireBundleService,
  spireTrustDomainService,
} from '../../grpc/index.ts';
import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { callOnce } from '../contract/grpc-call.ts';
import { openSpire, type SpireAccess } from './spire-access.ts';

const PAGE_SIZE = 100;
const MAX_PAGES = 200;
/**
 * SPIRE has no time limit of its own for a poll, so without this a silent endpoint would block us.
 */
const REFRESH_MS = 5000;

/** What SPIRE did when it was asked to poll a trust domain now. */
export type SpireRefresh =
  | { readonly kind: 'polled' }
  /** It polls this trust domain by itself, and now it could not. */
  | { readonly kind: 'failed'; readonly message: string }
  /** SPIRE does not poll this trust domain, and no poll of it is running. */
  | { readonly kind: 'not-polled' };

/**
 * The few calls to a SPIRE server that the adapter needs; every method throws `MeshAdapterError`.
 */
export interface SpireServer {
  ownBundle(): Promise<SpireBundle>;
  federatedBundles(): Promise<readonly SpireBundle[]>;
  /** What SPIRE holds for one foreign trust domain; undefined: nothing. */
  federatedBundle(trustDomain: string): Promise<SpireBundle | undefined>;
  /**
   * The federation relationships made through the API, without bundles. Those of the configuration
   * file are not included.
   */
  relationships(): Promise<readonly SpireFederationRelationship[]>;
  /**
   * Asks SPIRE to poll a trust domain now, because only this shows relationships of the
   * configuration file too.
   */
  refresh(trustDomain: string): Promise<SpireRefresh>;
  set(bundle: SpireBundle): Promise<SpireStatus>;
  delete(trustDomain: string, mode: keyof typeof SPIRE_DELETE_MODE): Promise<SpireStatus>;
  createRelationship(relationship: SpireFederationRelationship): Promise<SpireStatus>;
  updateRelationship(relationship: SpireFederationRelationship): Promise<SpireStatus>;
  deleteRelationship(trustDomain: string): Promise<SpireStatus>;
}

/** Opens a connection, does `work` with it, and closes it. Throws what `work` throws. */
export async function withSpire<Value>(
  access: SpireAccess,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
  work: (server: SpireServer) => Promise<Value>,
): Promise<Value> {
  const client = await openSpire(access);
  try {
    return await work(serverOf(client, options));
  } finally {
    client.close();
  }
}

function serverOf(
  client: Client,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): SpireServer {
  const call = <Request, Answer>(method: MethodDefinition<Request, Answer>, request: Request, ms?: number) =>
    callOnce(client, method, request, {
      ...options,
      what: whatOf(method),
      ...defined({ ms }),
    });
  const batch = async <Request>(method: MethodDefinition<Request, Results>, request: Request) =>
    statusOf(await call(method, request), whatOf(method));
  const bundles = spireBundleService;
  const relationships = spireTrustDomainService;
  return {
    ownBundle: () => call(bundles.GetBundle, {}),
    federatedBundles: () =>
      everyPage(async (page) => {
        const answer = await call(bundles.ListFederatedBundles, page);
        return { items: answer.bundles, next: answer.next_page_token };
      }),
    federatedBundle: (trustDomain) =>
      unlessNotFound(call(bundles.GetFederatedBundle, { trust_domain: trustDomain })),
    relationships: () =>
      everyPage(async (page) => {
        const output_mask = {
          bundle_endpoint_url: true,
          bundle_endpoint_profile: true,
          trust_domain_bundle: false,
        };
        const answer = await call(relationships.ListFederationRelationships, { ...page, output_mask });
        return { items: answer.federation_relationships, next: answer.next_page_token };
      }),
    refresh: async (trustDomain) => {
      const { clock } = options;
      const begun = clock.monotonicMs();
      try {
        const polled = call(relationships.RefreshBundle, { trust_domain: trustDomain }, REFRESH_MS);
        return (await unlessNotFound(polled)) ? { kind: 'polled' } : { kind: 'not-polled' };
      } catch (error) {
        if (!(error instanceof MeshAdapterError)) throw error;
        // A failed poll comes as an internal error. A trust domain without a poll is answered at
        // once, so a slow answer means that SPIRE polls.
        const late = error.code === 'mesh-unreachable' && clock.monotonicMs() - begun >= REFRESH_MS;
        if (late || error.code === 'mesh-unavailable') return { kind: 'failed', message: error.message };
        throw error;
      }
    },
    set: (bundle) => batch(bundles.BatchSetFederatedBundle, { bundle: [bundle] }),
    delete: (trustDomain, mode) =>
      batch(bundles.BatchDeleteFederatedBundle, {
        trust_domains: [trustDomain],
        mode: SPIRE_DELETE_MODE[mode],
      }),
    createRelationship: (relationship) =>
      batch(relationships.BatchCreateFederationRelationship, { federation_relationships: [relationship] }),
    updateRelationship: (relationship) =>
      batch(relationships.BatchUpdateFederationRelationship, { federation_relationships: [relationship] }),
    deleteRelationship: (trustDomain) =>
      batch(relationships.BatchDeleteFederationRelationship, { trust_domains: [trustDomain] }),
  };
}

interface Results {
  readonly results: readonly { readonly status?: SpireStatus }[];
}

const whatOf = ({ path }: { readonly path: string }) => path.replace(/^.*\//, 'SPIRE ');

async function unlessNotFound<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof MeshAdapterError && error.code === 'mesh-not-found') return undefined;
    throw error;
  }
}

async function everyPage<Item>(
  read: (page: {
    readonly page_size: number;
    readonly page_token: string;
  }) => Promise<{ readonly items: readonly Item[]; readonly next: string }>,
): Promise<Item[]> {
  const found: Item[] = [];
  let token = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { items, next } = await read({ page_size: PAGE_SIZE, page_token: token });
    found.push(...items);
    if (next === '') return found;
    token = next;
  }
  throw new MeshAdapterError('mesh-answer-malformed', `a list of SPIRE has more than ${MAX_PAGES} pages`);
}

function statusOf({ results }: Results, what: string): SpireStatus {
  const [result, ...more] = results;
  if (!result || more.length > 0)
    throw new MeshAdapterError('mesh-answer-malformed', `${what} gave ${results.length} results for one`);
  // An empty message is protobuf's form of OK.
  return result.status ?? { code: 0, message: '' };
}
