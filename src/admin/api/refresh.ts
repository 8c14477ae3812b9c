import { z } from 'zod';
import { leftOut, trustDomain } from './fields.ts';
import type { Document, Routes } from './route.ts';

export const refreshed = z
  .object({
    trust_domain: trustDomain,
    outcome: z.string(),
    code: z.string().nullable(),
    message: z.string().nullable(),
    left_out: z.array(leftOut).describe("Which entries of the peer's bundle are not used."),
  })
  .meta({ id: 'Refreshed', description: 'What a poll led to.' });
export type RefreshDocument = Document<typeof refreshed>;

const refresh = z
  .strictObject({
    trust_domain: trustDomain.optional(),
    accept_once: z
      .boolean()
      .optional()
      .describe('Take what the peer offers now, on record. It needs trust_domain.'),
  })
  .meta({ id: 'Refresh', description: 'Polls one peer, or all.' });

export const refreshRoutes = {
  'POST /v1/refresh': {
    summary: 'Poll one peer, or all, at once.',
    role: 'operator',
    body: refresh,
    answer: z.array(refreshed),
    errors: ['not-federated', 'own-root-offered', 'root-of-another-trust-domain', 'called-off'],
  },
} as const satisfies Routes;
