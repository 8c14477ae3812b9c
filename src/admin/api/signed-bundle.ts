import { z } from 'zod';
import { instant, trustDomain } from './fields.ts';
import type { Document, Routes } from './route.ts';

const MAX_LIFETIME_SECONDS = 366 * 24 * 60 * 60;

const signedBundle = z
  .object({
    trust_domain: trustDomain,
    signer_id: z.string(),
    expires_at: instant.describe(
      'When the signature ends: with the lifetime that was asked for, or with our SVID.',
    ),
    token: z.string(),
  })
  .meta({ id: 'SignedBundle', description: 'Our bundle with our signature.' });
export type SignedBundleDocument = Document<typeof signedBundle>;

export const signedBundleRoutes = {
  'POST /v1/signed-bundle': {
    summary: 'Sign our bundle for a peer that fetches it by other ways.',
    role: 'operator',
    body: z
      .strictObject({ lifetime_seconds: z.int().min(60).max(MAX_LIFETIME_SECONDS) })
      .meta({ id: 'SignBundle', description: 'How long the signature is good for at most.' }),
    answer: signedBundle,
    errors: ['own-bundle-unknown', 'no-svid'],
  },
} as const satisfies Routes;
