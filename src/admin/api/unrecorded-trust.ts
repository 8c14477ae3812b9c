import { z } from 'zod';
import { authority, instant, removed, trustDomain } from './fields.ts';
import type { Document, Routes } from './route.ts';

const unrecordedTrust = z
  .object({
    trust_domain: trustDomain,
    where: z.string().describe('The place in the mesh.'),
    since: instant,
    roots: z
      .array(authority)
      .nullable()
      .describe(
        'The roots, or the narrowed anchors with their names and keys; null where the mesh does not show them.',
      ),
  })
  .meta({
    id: 'UnrecordedTrust',
    description: 'Foreign trust that stands in the mesh with our mark, and that the store has no record of.',
  });
export type UnrecordedTrustDocument = Document<typeof unrecordedTrust>;

export const unrecordedTrustRoutes = {
  'GET /v1/unrecorded-trust': {
    summary: 'Foreign trust in the mesh that the store has no record of.',
    role: 'viewer',
    answer: z.array(unrecordedTrust),
    errors: [],
  },
  'DELETE /v1/unrecorded-trust/{trust_domain}': {
    summary: 'Take such trust out of the mesh.',
    role: 'admin',
    answer: removed,
    errors: ['no-unrecorded-trust'],
  },
} as const satisfies Routes;
