import { z } from 'zod';
import { distrustedKey } from './distrusted.ts';
import {
  coded,
  count,
  hex64,
  inMesh,
  instant,
  policyName,
  profileName,
  reason,
  removed,
  sequence,
  trustDomain,
  warning,
} from './fields.ts';
import { refreshed } from './refresh.ts';
import type { Document, RequestDocument, Routes } from './route.ts';

const endpoint = z
  .object({
    url: z.string(),
    in_use: z.boolean().describe('Whether the next poll begins with it.'),
    last_success_at: instant.nullable(),
    last_failure_at: instant.nullable(),
    last_failure_code: z.string().nullable(),
    last_failure: z.string().nullable(),
  })
  .meta({ id: 'Endpoint', description: 'An address of a peer, and how it did since the agent started.' });

const theirSide = z.object({
  state: z.enum(['held', 'ended']),
  since: instant,
  last_heard_at: instant
    .nullable()
    .describe('When the peer reported last that it holds one, since the agent started.'),
});

const peerHolds = z.object({
  digest: hex64,
  sequence: sequence.nullable(),
  since: instant,
  in_mesh: z
    .object({ progress: z.string(), since: instant })
    .nullable()
    .describe("How far it came in the peer's mesh."),
  signer: z.string(),
  seen_at: instant,
});

const relationship = z
  .object({
    trust_domain: trustDomain,
    endpoint_url: z.string(),
    more_endpoint_urls: z.array(z.string()),
    endpoints: z.array(endpoint),
    profile: profileName,
    endpoint_id: z.string().nullable(),
    signer_id: z.string().nullable().describe('With signed_bundle: whose signature counts.'),
    their_side: theirSide
      .nullable()
      .describe(
        'Whether the peer holds a relationship with us, or no longer; null where it never reported that.',
      ),
    policy: policyName,
    stale_after_seconds: z
      .number()
      .nullable()
      .describe(
        'After so many seconds without a good poll nothing of it counts until the next one; null: never.',
      ),
    state: z.string(),
    reason: coded.nullable(),
    bootstrap: z.string(),
    distrusted: z
      .array(distrustedKey)
      .describe('Its keys that do not count because the operator distrusts them.'),
    created_at: instant,
    last_attempt_at: instant.nullable(),
    last_success_at: instant.nullable(),
    next_poll_at: instant.nullable(),
    consecutive_failures: count,
    sequence: sequence.nullable(),
    warnings: z.array(warning),
    version: count.nullable(),
    authorities: count.describe('The roots and JWT keys that are held.'),
    authorities_counting: count.describe(
      'How many of them count: without distrusted keys, and none while the peer is stale.',
    ),
    in_mesh: inMesh.nullable().describe('Null where the mesh has nothing of it.'),
    peer_holds: peerHolds
      .nullable()
      .describe('What the peer has proved that it holds of our bundle; null where it never did.'),
  })
  .meta({ id: 'Relationship', description: 'One relationship: we keep the bundle of this peer fresh.' });
export type RelationshipDocument = Document<typeof relationship>;

const moreUrls = z
  .array(z.string())
  .max(100)
  .describe('Further addresses of the same endpoint, tried in order.');
const seconds = z.int().positive();

const add = z
  .strictObject({
    trust_domain: trustDomain,
    endpoint_url: z.string(),
    profile: profileName,
    endpoint_id: z.string().optional(),
    signer_id: z.string().optional().describe('With signed_bundle: whose signature counts.'),
    bundle: z
      .string()
      .optional()
      .describe(
        'A SPIFFE bundle document or PEM. One of bundle, pin, web_pki and from_mesh proves the first bundle.',
      ),
    pin: z.string().optional(),
    web_pki: z.boolean().optional(),
    from_mesh: z
      .boolean()
      .optional()
      .describe('The keys that stand in our own mesh without a record prove the first bundle.'),
    ca_pem: z.string().optional(),
    more_endpoint_urls: moreUrls.optional(),
    policy: policyName.optional(),
    stale_after_seconds: seconds.optional(),
    even_foreign_keys: z
      .boolean()
      .optional()
      .describe(
        'Takes the first bundle although a key of it belongs to, or names, another trust domain; on record.',
      ),
  })
  .meta({ id: 'Add', description: 'A new relationship.' });
export type AddDocument = RequestDocument<typeof add>;

const change = z
  .strictObject({
    endpoint_url: z.string().optional(),
    profile: profileName.optional(),
    endpoint_id: z.string().optional(),
    signer_id: z.string().optional().describe('With signed_bundle: whose signature counts.'),
    ca_pem: z
      .string()
      .nullable()
      .optional()
      .describe('The private CA of an https_web endpoint; null goes back to the public ones.'),
    more_endpoint_urls: moreUrls.optional(),
    policy: policyName.optional(),
    stale_after_seconds: seconds.nullable().optional().describe('null ends the limit.'),
    reason: reason.optional(),
  })
  .meta({ id: 'Change', description: 'New parameters of a relationship; what is left out stays.' });
export type ChangeDocument = RequestDocument<typeof change>;

const standing = z
  .object({ ...refreshed.shape, state: z.string(), warnings: z.array(warning) })
  .meta({ id: 'Standing', description: 'How a relationship stands after the operator added or changed it.' });
export type StandingDocument = Document<typeof standing>;

const REFUSALS = [
  'own-bundle-unknown',
  'own-trust-domain',
  'relationship-invalid',
  'bootstrap-fetch-failed',
  'endpoint-trust-domain-unknown',
  'serving-cycle',
] as const;

export const relationshipRoutes = {
  'GET /v1/relationships': {
    summary: 'Every relationship with its state.',
    role: 'viewer',
    answer: z.array(relationship),
    errors: [],
  },
  'GET /v1/relationships/{trust_domain}': {
    summary: 'One relationship with its state.',
    role: 'viewer',
    answer: relationship,
    errors: ['not-federated'],
  },
  'POST /v1/relationships': {
    summary: 'Add a peer, whose first bundle is proved in one of four ways.',
    role: 'admin',
    body: add,
    answer: standing,
    status: 201,
    errors: [
      ...REFUSALS,
      'already-federated',
      'bootstrap-required',
      'bootstrap-bundle-invalid',
      'bootstrap-bundle-unusable',
      'pin-mismatch',
      'own-root-offered',
      'root-of-another-trust-domain',
      'root-names-another-trust-domain',
      'distrusted-key-offered',
      'no-unrecorded-trust',
      'mesh-shows-no-keys',
    ],
  },
  'PATCH /v1/relationships/{trust_domain}': {
    summary: 'Change parameters of a relationship; what is left out stays.',
    role: 'admin',
    body: change,
    answer: standing,
    errors: [...REFUSALS, 'not-federated'],
  },
  'DELETE /v1/relationships/{trust_domain}': {
    summary: 'End a relationship: its trust goes at once, and its history stays.',
    role: 'admin',
    query: z.object({ reason: z.string().default('removed by the operator') }),
    answer: removed,
    errors: ['not-federated'],
  },
} as const satisfies Routes;
