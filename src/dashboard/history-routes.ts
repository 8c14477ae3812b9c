import type { Hono } from 'hono';
import { parseTrustDomain } from '../spiffe/index.ts';
import {
  type ChainLink,
  EVENT_KINDS,
  type EventKind,
  headDocument,
  isEventKind,
  type Store,
  type StoreReader,
  type TrustedAt,
} from '../store/index.ts';
import { didYouMean } from '../platform/index.ts';
import { AdminError, countFrom, instantFrom } from './admin-request.ts';
import { describeBundle, describeEvent } from './describe.ts';
import type {
  HistoryPlaceDocument,
  LinkDocument,
  StoryDocument,
  StoryQuery,
  TrustedAtDocument,
  TrustedDocument,
} from '../admin-client/index.ts';

/** What the history is read from. */
export interface HistoryServices {
  readonly store: Store;
  historyPlace(): HistoryPlaceDocument;
}

/** A page of links ends behind this many characters of rows. */
const MAX_PAGE_CHARACTERS = 8 * 1024 * 1024;

/** `GET /v1/history`, `/v1/history/at`, `/v1/history/links`, `/v1/history/heads`, `/v1/history/place`. */
export function addHistoryRoutes(app: Hono, services: HistoryServices): void {
  const { store } = services;
  app.get('/v1/history', async (context) => {
    const { of, limit, since, until, kinds, after } = context.req.query();
    return context.json(
      await storyIn(store, {
        limit: countFrom(limit),
        ...(of === undefined ? {} : { of }),
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
        ...(kinds === undefined ? {} : { kinds: kinds.split(',') }),
        ...(after === undefined ? {} : { after: numberFrom(after) }),
      }),
    );
  });
  app.get('/v1/history/at', async (context) => {
    const instant = instantFrom(context.req.query('instant') ?? '');
    return context.json(describeTrustedAt(instant, await store.trustedAt(instant)));
  });
  app.get('/v1/history/links', async (context) => {
    const { after, limit } = context.req.query();
    const links = await store.chainLinks({ after: numberFrom(after), limit: countFrom(limit) });
    return context.json(page(links).map(describeLink));
  });
  app.get('/v1/history/heads', async (context) => {
    const of = context.req.query('of');
    const page = { limit: Number.MAX_SAFE_INTEGER };
    const heads =
      of === undefined ? await store.signedHeads(page) : await store.peerHeads(parseTrustDomain(of), page);
    return context.json(heads.map(headDocument));
  });
  app.get('/v1/history/place', (context) => context.json(services.historyPlace()));
}

/** The story that a store tells, as programs and people get it. Throws `AdminError` `event-kind-unknown`, `request-invalid`. */
export async function storyIn(
  store: StoreReader,
  { of, since, until, kinds, after, limit }: StoryQuery,
): Promise<StoryDocument> {
  const events = await store.events({
    limit,
    ...(of === undefined ? {} : { trustDomain: parseTrustDomain(of) }),
    ...(since === undefined ? {} : { since: instantFrom(since) }),
    ...(until === undefined ? {} : { until: instantFrom(until) }),
    ...(kinds === undefined ? {} : { kinds: kinds.map(kindFrom) }),
    ...(after === undefined ? {} : { after }),
  });
  const head = await store.chainHead();
  const [newest] = await store.signedHeads({ limit: 1 });
  return {
    events: events.map(describeEvent),
    links: head?.number ?? 0,
    head: head?.hash ?? null,
    newest_head: newest ? headDocument(newest) : null,
  };
}

function kindFrom(word: string): EventKind {
  if (isEventKind(word)) return word;
  const near = didYouMean(word, EVENT_KINDS);
  throw new AdminError(
    'event-kind-unknown',
    `there is no kind of event ${JSON.stringify(word)}${near === '' ? `: it is one of ${EVENT_KINDS.join(', ')}` : near}`,
  );
}

/** What was trusted at an instant, as programs and people get it. */
export function describeTrustedAt(instant: Date, trusted: readonly TrustedAt[]): TrustedAtDocument {
  return {
    instant: instant.toISOString(),
    trusted: trusted.map(({ version, distrusted }): TrustedDocument => {
      const { document: _, ...bundle } = describeBundle(version);
      return {
        ...bundle,
        distrusted: distrusted.map(({ keyFingerprint, label, at, reason }) => ({
          key_fingerprint: keyFingerprint,
          label,
          since: at.toISOString(),
          reason,
        })),
      };
    }),
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

function numberFrom(text = '0'): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new AdminError('request-invalid', `${JSON.stringify(text)} is no number of a link`);
  return number;
}
