import { z } from 'zod';
import { bundle } from './bundles.ts';
import { count, event, hex64, instant, limit, queryInstant, trustDomain } from './fields.ts';
import type { Document, Routes } from './route.ts';

export const head = z
  .object({
    number: count,
    hash: z.string(),
    chain: z.string(),
    signed_at: instant,
    signer: z.string().nullable(),
    statement: z.string().nullable(),
  })
  .meta({ id: 'HistoryHead', description: 'A head of the chain, signed where the agent had an SVID.' });
export type HeadDocument = Document<typeof head>;

const story = z
  .object({
    events: z.array(event),
    links: count.describe('How many links the chain has.'),
    head: z.string().nullable().describe('The hash of the last link.'),
    newest_head: head.nullable(),
  })
  .meta({ id: 'Story', description: 'The events, the newest first, and how the history is kept safe.' });
export type StoryDocument = Document<typeof story>;

const trusted = z
  .object({
    ...bundle.omit({ document: true }).shape,
    distrusted: z
      .array(z.object({ key_fingerprint: hex64, label: z.string(), since: instant, reason: z.string() }))
      .describe('Keys that did not count then, whatever the bundle has.'),
  })
  .meta({ id: 'Trusted', description: 'What was trusted of one trust domain at an instant.' });
export type TrustedDocument = Document<typeof trusted>;

const trustedAt = z
  .object({ instant, trusted: z.array(trusted) })
  .meta({ id: 'TrustedAt', description: 'What was trusted at an instant, over all trust domains.' });
export type TrustedAtDocument = Document<typeof trustedAt>;

const link = z
  .object({
    number: count,
    table: z.string(),
    row_id: z.int(),
    hash: z.string(),
    row: z
      .string()
      .nullable()
      .describe('The very text that the link commits to; null where the row is gone.'),
  })
  .meta({ id: 'HistoryLink', description: 'A link of the chain.' });
export type LinkDocument = Document<typeof link>;

const place = z.object({ store: z.string() }).meta({
  id: 'HistoryPlace',
  description: 'Where the agent keeps its store, for a reader of the file itself.',
});

const after = z.coerce.number<number>().int().min(0);

const storyQuery = z.object({
  of: trustDomain.optional(),
  since: queryInstant.optional().describe('Only events from this instant on.'),
  until: queryInstant.optional().describe('Only events before this instant.'),
  kinds: z
    .string()
    .transform((text): readonly string[] => text.split(','))
    .optional()
    .describe('Kinds of events, with commas between them.'),
  after: after.optional().describe('Only events after the one with this id, the oldest first.'),
  limit,
});
/** Which events of the story are wanted; what is left out does not matter. */
export type StoryQuery = Document<typeof storyQuery>;

export const historyRoutes = {
  'GET /v1/history': {
    summary: 'The events of all trust domains, or of one.',
    role: 'viewer',
    query: storyQuery,
    answer: story,
    errors: ['event-kind-unknown'],
  },
  'GET /v1/history/at': {
    summary: 'What was trusted at an instant.',
    role: 'viewer',
    query: z.object({ instant: queryInstant }),
    answer: trustedAt,
    errors: [],
  },
  'GET /v1/history/links': {
    summary: 'Links of the chain, page by page.',
    role: 'viewer',
    query: z.object({ after: after.default(0), limit }),
    answer: z.array(link),
    errors: [],
  },
  'GET /v1/history/heads': {
    summary: 'Our signed heads of the chain, or those that a peer gave us.',
    role: 'viewer',
    query: z.object({ of: trustDomain.optional() }),
    answer: z.array(head),
    errors: [],
  },
  'GET /v1/history/place': {
    summary: 'Where the agent keeps its store.',
    role: 'viewer',
    answer: place,
    errors: [],
  },
} as const satisfies Routes;
