import { z } from 'zod';
import { count, hex64, inMesh, instant, reason, trustDomain } from './fields.ts';
import type { Document, RequestDocument, Routes } from './route.ts';

export const distrustedKey = z
  .object({
    trust_domain: trustDomain,
    key_fingerprint: hex64.describe('SHA-256 of the SubjectPublicKeyInfo.'),
    label: z.string().describe('Six digits, and the subject or the key ID that it was seen with.'),
    since: instant,
    until: instant.nullable().describe('When it counts again by itself; null: never.'),
    actor: z.string(),
    reason: z.string(),
  })
  .meta({ id: 'DistrustedKey', description: 'A key that does not count, whatever the bundles have.' });
export type DistrustedKeyDocument = Document<typeof distrustedKey>;

const trustAgain = z
  .strictObject({
    trust_domain: z
      .string()
      .describe('A trust domain, also with spiffe:// before it; own is ours, unless a peer has that name.'),
    key: z
      .string()
      .min(1)
      .max(2048)
      .describe('Hex digits of a fingerprint (six at least), a pin, or a JWT key ID.'),
    reason: reason.optional(),
  })
  .meta({ id: 'TrustAgain', description: 'Lets a distrusted key count again.' });

const distrust = z
  .strictObject({
    ...trustAgain.shape,
    until: z.iso.datetime({ offset: true }).optional().describe('When the key counts again by itself.'),
    even_the_last: z.boolean().optional().describe('The last key of our own may go.'),
    even_our_own_svid: z.boolean().optional().describe("A key on which the agent's own SVID rests may go."),
  })
  .meta({ id: 'Distrust', description: 'Takes one key out of the trust.' });
export type DistrustDocument = RequestDocument<typeof distrust>;

const distrusted = z
  .object({
    ...distrustedKey.shape,
    ours: z.boolean(),
    was_trusted: z
      .boolean()
      .describe('Whether it counted until now; if not, it is kept out if it ever comes.'),
    x509_left: count,
    jwt_left: count,
    own_svid_refused: z
      .boolean()
      .describe("Whether peers that take our bundle without the key refuse the agent's own SVID."),
    signs_now: z
      .boolean()
      .describe('Whether our mesh signs identities under the key now, as far as that is known.'),
    in_mesh: inMesh
      .nullable()
      .describe(
        'What the mesh has of the trust domain after some seconds; null where it has nothing, and for keys of ours.',
      ),
    mesh_may_still_trust: z
      .boolean()
      .describe('Whether the mesh had not dropped the key after these seconds.'),
  })
  .meta({ id: 'Distrusted', description: 'A key that is out, and what is left of its trust domain.' });
export type DistrustedDocument = Document<typeof distrusted>;

export const distrustedRoutes = {
  'GET /v1/distrusted': {
    summary: 'The keys that are distrusted now.',
    role: 'viewer',
    answer: z.array(distrustedKey),
    errors: [],
  },
  'POST /v1/distrusted': {
    summary: 'Take one key of a peer, or of our own, out of the trust at once.',
    role: 'operator',
    body: distrust,
    answer: distrusted,
    status: 201,
    errors: [
      'not-federated',
      'key-not-found',
      'key-ambiguous',
      'distrust-over',
      'last-own-key',
      'own-svid-key',
      'own-bundle-unknown',
      'own-ambiguous',
    ],
  },
  'POST /v1/trusted-again': {
    summary: 'Let a key count again that was distrusted.',
    role: 'operator',
    body: trustAgain,
    answer: distrustedKey,
    errors: ['key-not-found', 'key-ambiguous', 'not-distrusted', 'own-bundle-unknown', 'own-ambiguous'],
  },
} as const satisfies Routes;
