import { defined, given } from '../objects/index.ts';
import { didYouMean, parseInstant } from '../platform/index.ts';
import { parseTrustDomain } from '../spiffe/index.ts';
import {
  EVENT_KINDS,
  type EventKind,
  headDocument,
  isEventKind,
  type StoreReader,
  type TrustedAt,
} from '../store/index.ts';
import type { StoryDocument, StoryQuery, TrustedAtDocument, TrustedDocument } from './api/history.ts';
import { describeBundle, describeEvent } from './describe.ts';
import { AdminError } from './errors.ts';

/**
 * The story that a store tells, as programs and people get it. Throws `AdminError`
 * `event-kind-unknown`, `request-invalid`.
 */
export async function storyIn(
  store: StoreReader,
  { of, since, until, kinds, after, limit }: StoryQuery,
): Promise<StoryDocument> {
  const events = await store.events({
    limit,
    ...defined({
      trustDomain: given(of, parseTrustDomain),
      since: given(since, instantFrom),
      until: given(until, instantFrom),
    }),
    ...defined({ kinds: kinds?.map(kindFrom), after }),
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

/** An instant, ISO 8601 with its zone. Throws `AdminError` `request-invalid`. */
function instantFrom(text: string): Date {
  const instant = parseInstant(text);
  if (instant) return instant;
  throw new AdminError(
    'request-invalid',
    `${JSON.stringify(text)} is not an instant with its zone, such as 2026-11-21T10:00:00Z`,
  );
}
