import { z } from 'zod';
import {
  authority,
  changedAuthority,
  count,
  event,
  hex64,
  instant,
  leftOut,
  limit,
  MAX_REASON_CHARACTERS,
  queryInstant,
  reason,
  sequence,
  trustDomain,
} from './fields.ts';
import { refreshed } from './refresh.ts';
import type { Document, Routes } from './route.ts';

export const bundle = z
  .object({
    trust_domain: trustDomain,
    version: count,
    sequence: sequence.nullable(),
    refresh_hint_seconds: z.number().nullable(),
    digest: hex64,
    pin: z.string(),
    received_at: instant,
    verdict: z.string(),
    origin: z.string(),
    x509_authorities: z.array(authority),
    jwt_key_ids: z.array(z.string()),
    left_out: z
      .array(leftOut)
      .describe(
        'Which entries of the newest document of the peer are not used; empty for an earlier instant.',
      ),
    document: z.string().describe('The SPIFFE bundle document itself.'),
  })
  .meta({ id: 'Bundle', description: 'A bundle that is held, or was.' });
export type BundleDocument = Document<typeof bundle>;

const version = z
  .object({
    trust_domain: trustDomain,
    version: count,
    sequence: sequence.nullable(),
    digest: hex64,
    received_at: instant,
    verdict: z.string(),
    origin: z.string(),
    proved_by: z.string().nullable(),
    added: z.array(changedAuthority),
    removed: z.array(changedAuthority),
  })
  .meta({ id: 'Version', description: 'One accepted version, and what changed with it.' });
export type VersionDocument = Document<typeof version>;

const incident = z
  .object({
    began_at: instant,
    last_at: instant,
    ended_at: instant.nullable(),
    count,
    kind: z.string(),
    code: z.string(),
    message: z.string(),
  })
  .meta({
    id: 'Incident',
    description: 'Something that went wrong for a while: repeated failures are one incident.',
  });
export type IncidentDocument = Document<typeof incident>;

const history = z
  .object({
    trust_domain: trustDomain,
    versions: z.array(version),
    incidents: z.array(incident),
    events: z.array(event),
  })
  .meta({ id: 'BundleHistory', description: 'The history of one trust domain, the newest first.' });
export type HistoryDocument = Document<typeof history>;

const diff = z
  .object({
    trust_domain: trustDomain,
    from: count.nullable(),
    to: count,
    added: z.array(changedAuthority),
    removed: z.array(changedAuthority),
    kept: z.array(changedAuthority),
  })
  .meta({ id: 'Diff', description: 'What changed between two versions.' });
export type DiffDocument = Document<typeof diff>;

const setBundle = z
  .strictObject({
    document: z.string().describe('A SPIFFE bundle document, or CA certificates in PEM.'),
    name: z
      .string()
      .min(1)
      .max(MAX_REASON_CHARACTERS)
      .describe('What the history calls it, for instance its file name.'),
    reason: reason.optional(),
  })
  .meta({ id: 'SetBundle', description: 'A bundle that the operator puts in the place of the held one.' });

const bundleSet = z
  .object({ trust_domain: trustDomain, version: count, poll: refreshed })
  .meta({ id: 'BundleSet', description: 'What was set, and the outcome of the poll right after it.' });
export type BundleSetDocument = Document<typeof bundleSet>;

const versionNumber = z.coerce
  .number<number | string>()
  .int()
  .min(1)
  .max(10_000)
  .optional()
  .describe('The number of a version.');

export const bundleRoutes = {
  'GET /v1/bundles': {
    summary: 'Every bundle that is held now, ours among them.',
    role: 'viewer',
    answer: z.array(bundle),
    errors: [],
  },
  'GET /v1/bundles/{trust_domain}': {
    summary: 'The bundle of a trust domain, as it is held or as it was at an instant.',
    role: 'viewer',
    query: z.object({ at: queryInstant.optional().describe('The instant; without it now.') }),
    answer: bundle,
    errors: ['no-bundle'],
  },
  'PUT /v1/bundles/{trust_domain}': {
    summary: 'Put a bundle of a file in the place of the held one.',
    role: 'admin',
    body: setBundle,
    answer: bundleSet,
    errors: [
      'not-federated',
      'bootstrap-bundle-invalid',
      'bootstrap-bundle-unusable',
      'own-root-offered',
      'root-of-another-trust-domain',
      'distrusted-key-offered',
    ],
  },
  'GET /v1/bundles/{trust_domain}/history': {
    summary: 'The versions, incidents and events of a trust domain.',
    role: 'viewer',
    query: z.object({ limit }),
    answer: history,
    errors: [],
  },
  'GET /v1/bundles/{trust_domain}/diff': {
    summary: 'What changed from one version to another; without numbers with the newest one.',
    role: 'viewer',
    query: z.object({ from: versionNumber, to: versionNumber }),
    answer: diff,
    errors: ['no-bundle', 'no-such-version'],
  },
} as const satisfies Routes;
