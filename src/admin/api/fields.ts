import { z } from 'zod';
import { parseInstant } from '../../platform/index.ts';
import type { Document } from './route.ts';
import { WARNING_CODES } from './warning-codes.ts';

/**
 * What several resources of the admin API have in common. Documents are plain JSON: instants are
 * ISO 8601 UTC text, sequences are decimal text (they have 64 bits), digests and fingerprints are
 * 64 hex digits. `--output json` prints them as they are.
 */

/** The longest reason an operator may give. */
export const MAX_REASON_CHARACTERS = 1000;

export const instant = z.string().meta({ format: 'date-time' });
export const hex64 = z.string().regex(/^[0-9a-f]{64}$/);
export const sequence = z.string().regex(/^\d+$/).describe('A sequence number of 64 bits as decimal text.');
export const count = z.int().min(0);
export const trustDomain = z.string().describe('The name of a trust domain.');
export const reason = z.string().max(MAX_REASON_CHARACTERS).describe('Why, for the audit log.');

/** A count in a query, 50 where the caller gives none. */
export const limit = z.coerce
  .number<number>()
  .int()
  .min(1)
  .max(10_000)
  .default(50)
  .describe('At most so many.');

/** An instant in a query, ISO 8601 with its zone. */
export const queryInstant = z
  .string()
  .refine((text) => parseInstant(text) !== undefined, {
    error: ({ input }) =>
      `${JSON.stringify(input)} is not an instant with its zone, such as 2026-11-21T10:00:00Z`,
  })
  .meta({ format: 'date-time' });

export const profileName = z
  .enum(['https_web', 'https_spiffe', 'signed_bundle'])
  .describe("How a peer's bundle is proved: by who serves it, or by who signed it.");

export const policyName = z
  .enum(['auto', 'ask-on-dangerous', 'ask-always'])
  .describe('Which changes wait for the operator.');

export const authority = z
  .object({
    fingerprint: hex64,
    key_fingerprint: hex64,
    subject: z.string(),
    not_before: instant,
    not_after: instant,
  })
  .meta({ id: 'Authority', description: 'A root certificate.' });
export type AuthorityDocument = Document<typeof authority>;

export const coded = z
  .object({ code: z.string(), message: z.string() })
  .describe('A stable code, and a sentence for people.');

export const problem = z
  .object({ code: z.string(), message: z.string() })
  .meta({ id: 'Problem', description: 'Every error answer: a stable code, and a sentence for people.' });
export type ProblemDocument = Document<typeof problem>;

export const leftOut = z
  .object({ entry: z.int().min(1).describe('Counts from 1.'), code: z.string(), message: z.string() })
  .meta({ id: 'LeftOut', description: "An entry of a peer's bundle that is not used." });
export type LeftOutDocument = Document<typeof leftOut>;

export const inMesh = z
  .object({
    state: z.string().describe('pending, written, accepted, in-effect, refused or failed.'),
    code: z.string().nullable(),
    message: z.string().nullable(),
  })
  .meta({
    id: 'InMesh',
    description: 'What the mesh has of a foreign trust domain, as far as the adapter sees it.',
  });
export type InMeshDocument = Document<typeof inMesh>;

export const outOfMesh = z.object({
  in_mesh: inMesh.nullable().describe('What the mesh still has of it; null once it has nothing.'),
  note: coded
    .nullable()
    .describe(
      "What readers of the mesh's configuration still have to do, where the mesh has nothing of it any more.",
    ),
});
export type OutOfMeshDocument = Document<typeof outOfMesh>;

export const removed = z
  .object({ trust_domain: trustDomain, removed: z.literal(true), ...outOfMesh.shape })
  .meta({ id: 'Removed', description: "What came of taking a peer's trust out of the mesh." });
export type RemovedDocument = Document<typeof removed>;

export const warning = z
  .object({
    trust_domain: trustDomain.nullable().describe('Null where the warning is about this agent itself.'),
    code: z.enum(WARNING_CODES),
    message: z.string(),
    since: instant,
  })
  .meta({ id: 'Warning', description: "What needs an operator's hand." });
export type WarningDocument = Document<typeof warning>;

export const changedAuthority = z
  .object({
    kind: z.enum(['x509', 'jwt']),
    fingerprint: z.string(),
    label: z.string().describe('Six digits of the fingerprint, and the subject or key ID.'),
  })
  .meta({ id: 'ChangedAuthority', description: 'One key that a version added or removed.' });
export type ChangedAuthorityDocument = Document<typeof changedAuthority>;

export const event = z
  .object({
    id: z.int().describe('Grows with every event of the store.'),
    at: instant,
    kind: z.string(),
    trust_domain: trustDomain.nullable(),
    actor: z.string(),
    code: z.string().nullable(),
    message: z.string(),
  })
  .meta({ id: 'Event', description: 'One event of the history.' });
export type EventDocument = Document<typeof event>;
