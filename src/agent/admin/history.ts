import {
  describeTrustedAt,
  type HandlersOf,
  type historyRoutes,
  type LinkDocument,
  storyIn,
} from '../../admin/index.ts';
import { parseTrustDomain } from '../../spiffe/index.ts';
import { type ChainLink, headDocument, type Store } from '../../store/index.ts';

/** A page of links ends behind this many characters of rows. */
const MAX_PAGE_CHARACTERS = 8 * 1024 * 1024;

/** Answers from the history of all trust domains. */
export function historyHandlers({
  store,
  storePath,
}: {
  readonly store: Store;
  readonly storePath: string;
}): HandlersOf<keyof typeof historyRoutes> {
  return {
    'GET /v1/history': ({ query }) => storyIn(store, query),
    'GET /v1/history/at': async ({ query }) => {
      const instant = new Date(query.instant);
      return describeTrustedAt(instant, await store.trustedAt(instant));
    },
    'GET /v1/history/links': async ({ query: { after, limit } }) =>
      page(await store.chainLinks({ after, limit })).map(describeLink),
    'GET /v1/history/heads': async ({ query: { of } }) => {
      const all = { limit: Number.MAX_SAFE_INTEGER };
      const heads =
        of === undefined ? await store.signedHeads(all) : await store.peerHeads(parseTrustDomain(of), all);
      return heads.map(headDocument);
    },
    'GET /v1/history/place': () => ({ store: storePath }),
  };
}

function page(links: readonly ChainLink[]): readonly ChainLink[] {
  let characters = 0;
  const end = links.findIndex(({ text = '' }) => (characters += text.length) > MAX_PAGE_CHARACTERS);
  return end === -1 ? links : links.slice(0, end + 1);
}

function describeLink({ number, table, rowId, hash, text }: ChainLink): LinkDocument {
  return { number, table, row_id: rowId, hash, row: text ?? null };
}
