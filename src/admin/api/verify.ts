import { z } from 'zod';
import { authority, count, instant, trustDomain } from './fields.ts';
import type { Document, Routes } from './route.ts';

const verdict = {
  accepted: z.boolean(),
  spiffe_id: z.string().nullable(),
  trust_domain: trustDomain.nullable(),
  bundle_version: count.nullable().describe('The version in the history whose bundle proved it.'),
  bundle_digest: z.string().nullable(),
  not_after: instant.nullable(),
  code: z.string().nullable(),
  message: z.string().nullable(),
};

const verified = z
  .object({
    ...verdict,
    anchor: authority.nullable(),
    warnings: z.array(z.string()).describe('What was let pass although a strict verifier would refuse it.'),
  })
  .meta({
    id: 'Verified',
    description: 'Whether a certificate chain is accepted now. A refusal is an answer.',
  });
export type VerifyDocument = Document<typeof verified>;

const verifiedJwt = z
  .object({
    ...verdict,
    claimed_id: z
      .string()
      .nullable()
      .describe('The subject that the token claims, also where it is refused and nothing has proved it.'),
    audiences: z.array(z.string()).describe('Everyone the token is for; empty where it is refused.'),
    key: z
      .object({ key_id: z.string(), algorithm: z.string() })
      .nullable()
      .describe('The JWT key that made the signature.'),
  })
  .meta({ id: 'VerifiedJwt', description: 'Whether a JWT-SVID is accepted now. A refusal is an answer.' });
export type VerifyJwtDocument = Document<typeof verifiedJwt>;

export const verifyRoutes = {
  'POST /v1/verify': {
    summary: 'Judge a certificate chain (PEM, leaf first) as the agent would now.',
    role: 'viewer',
    body: z.strictObject({ pem: z.string(), peer_role: z.enum(['client', 'server']) }).meta({
      id: 'Verify',
      description: 'A certificate chain, and the side of the connection that shows it.',
    }),
    answer: verified,
    errors: [],
  },
  'POST /v1/verify-jwt': {
    summary: 'Judge a JWT-SVID as a validator with these audiences would now.',
    role: 'viewer',
    body: z
      .strictObject({ token: z.string(), audiences: z.array(z.string().min(1)).min(1).max(100) })
      .meta({ id: 'VerifyJwt', description: 'A token, and the names of its validator.' }),
    answer: verifiedJwt,
    errors: [],
  },
} as const satisfies Routes;
