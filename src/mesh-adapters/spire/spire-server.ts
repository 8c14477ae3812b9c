import type { Client, MethodDefinition } from '@grpc/grpc-js';
import {
  SPIRE_DELETE_MODE,
  type SpireBundle,
  type SpireStatus,
  spireBundleService,
  spireTrustDomainService,
} from '../../grpc/index.ts';
import type { Clock } from '../../platform/index.ts';
import { MeshAdapterError } from '../errors.ts';
import { callOnce } from '../grpc-call.ts';
import { openSpire, type SpireAccess } from './spire-access.ts';

const PAGE_SIZE = 100;
const MAX_PAGES = 200;

/** The few calls to a SPIRE server that the adapter needs; every method throws `MeshAdapterError`. */
export interface SpireServer {
  ownBundle(): Promise<SpireBundle>;
  federatedBundles(): Promise<readonly SpireBundle[]>;
  /** The trust domains whose bundles SPIRE fetches by itself, those of its configuration file too. */
  polledTrustDomains(): Promise<ReadonlySet<string>>;
  set(bundle: SpireBundle): Promise<SpireStatus>;
  delete(trustDomain: string, mode: keyof typeof SPIRE_DELETE_MODE): Promise<SpireStatus>;
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
  const call = <Request, Answer>(method: MethodDefinition<Request, Answer>, request: Request) =>
    callOnce(client, method, request, { ...options, what: method.path.replace(/^.*\//, 'SPIRE ') });
  const bundles = spireBundleService;
  return {
    ownBundle: () => call(bundles.GetBundle, {}),
    federatedBundles: () =>
      everyPage(async (page) => {
        const answer = await call(bundles.ListFederatedBundles, page);
        return { items: answer.bundles, next: answer.next_page_token };
      }),
    polledTrustDomains: async () => {
      const relationships = await everyPage(async (page) => {
        const request = { ...page, include_static: true };
        const answer = await call(spireTrustDomainService.ListFederationRelationships, request);
        return { items: answer.federation_relationships, next: answer.next_page_token };
      });
      return new Set(relationships.map(({ trust_domain: name }) => name.replace(/^spiffe:\/\//, '')));
    },
    set: async (bundle) =>
      statusOf(await call(bundles.BatchSetFederatedBundle, { bundle: [bundle] }), 'BatchSetFederatedBundle'),
    delete: async (trustDomain, mode) =>
      statusOf(
        await call(bundles.BatchDeleteFederatedBundle, {
          trust_domains: [trustDomain],
          mode: SPIRE_DELETE_MODE[mode],
        }),
        'BatchDeleteFederatedBundle',
      ),
  };
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

function statusOf(
  { results }: { readonly results: readonly { readonly status?: SpireStatus }[] },
  what: string,
): SpireStatus {
  const [result, ...more] = results;
  if (!result || more.length > 0)
    throw new MeshAdapterError(
      'mesh-answer-malformed',
      `SPIRE ${what} gave ${results.length} results for one`,
    );
  // An empty message is what OK looks like in protobuf.
  return result.status ?? { code: 0, message: '' };
}
