import { z } from 'zod';
import { count, hex64, instant, MAX_REASON_CHARACTERS, sequence, trustDomain } from './fields.ts';
import type { Document, RequestDocument, Routes } from './route.ts';

const offeredKey = z
  .object({
    kind: z.enum(['x509', 'jwt']),
    fingerprint: hex64.nullable().describe('SHA-256 of the certificate; null for a JWT key.'),
    subject: z.string().nullable(),
    key_id: z.string().nullable(),
    not_before: instant.nullable(),
    not_after: instant.nullable(),
  })
  .meta({ id: 'OfferedKey', description: 'One key of an offer in full.' });
export type OfferedKeyDocument = Document<typeof offeredKey>;

const offer = z
  .object({
    trust_domain: trustDomain,
    status: z
      .enum(['quarantined', 'refused', 'rejected'])
      .describe(
        'It waits for the operator, or is kept out: for going backwards, or because it was rejected.',
      ),
    code: z.string(),
    message: z.string(),
    meaning: z.string().describe('What that means, and what to ask before deciding, in plain words.'),
    policy: z.string(),
    profile: z.string(),
    origin: z.string(),
    since: instant.describe('When this very content was seen first.'),
    seen: count.describe('How often it was seen.'),
    last_seen: instant,
    digest: hex64,
    sequence: sequence.nullable(),
    held_digest: hex64.nullable(),
    held_sequence: sequence.nullable(),
    added: z.array(offeredKey),
    removed: z.array(offeredKey),
    kept: z.array(offeredKey),
  })
  .meta({ id: 'Offer', description: 'An offered bundle that is not trusted.' });
export type OfferDocument = Document<typeof offer>;

const rejectedOffer = z
  .object({ trust_domain: trustDomain, digest: hex64, since: instant, actor: z.string(), reason: z.string() })
  .meta({ id: 'RejectedOffer', description: 'A content that is kept out for good.' });

const review = z
  .object({ waiting: z.array(offer), rejected: z.array(rejectedOffer) })
  .meta({ id: 'Review', description: 'What waits for the operator, and what was rejected.' });
export type ReviewDocument = Document<typeof review>;

const decision = z
  .strictObject({
    decision: z.enum(['accept', 'reject', 'reconsider']),
    digest: z
      .string()
      .regex(/^(?:sha256:)?[0-9a-f]{6,64}$/, 'a digest is given by 6 to 64 hex digits')
      .optional()
      .describe("At least the first six digits of the offer's digest; without it the one that waits."),
    reason: z.string().min(1).max(MAX_REASON_CHARACTERS).describe('Why, for the audit log.'),
  })
  .meta({ id: 'Decision', description: "The operator's decision about an offer." });
export type DecisionDocument = RequestDocument<typeof decision>;

const decided = z
  .object({
    trust_domain: trustDomain,
    decision: decision.shape.decision,
    digest: hex64,
    poll: z
      .object({
        outcome: z.string(),
        code: z.string().nullable(),
        message: z.string().nullable(),
      })
      .describe('The outcome of the poll that followed.'),
  })
  .meta({ id: 'Decided', description: 'What was decided.' });
export type DecidedDocument = Document<typeof decided>;

export const offerRoutes = {
  'GET /v1/offers': {
    summary: 'Every offer that waits for the operator, and every one that was rejected.',
    role: 'viewer',
    answer: review,
    errors: [],
  },
  'GET /v1/offers/{trust_domain}': {
    summary: 'The offers of one peer.',
    role: 'viewer',
    answer: review,
    errors: ['not-federated'],
  },
  'POST /v1/offers/{trust_domain}': {
    summary: 'Accept an offer, reject it for good, or take a rejection back.',
    role: 'operator',
    body: decision,
    answer: decided,
    errors: [
      'not-federated',
      'nothing-waits',
      'offer-changed',
      'not-rejected',
      'own-root-offered',
      'root-of-another-trust-domain',
    ],
  },
} as const satisfies Routes;
