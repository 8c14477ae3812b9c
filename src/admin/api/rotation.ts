import { z } from 'zod';
import { count, hex64, instant, sequence, trustDomain } from './fields.ts';
import type { Document, Routes } from './route.ts';

const missing = z
  .object({
    code: z.string(),
    message: z.string(),
    peer: trustDomain.nullable().describe('The peer that it is about.'),
    poller: z
      .string()
      .nullable()
      .describe('The address of the poller that it is about, where no peer is known there.'),
    safe_at: instant.nullable().describe('When it is over by itself.'),
  })
  .meta({ id: 'Missing', description: 'One thing that stands in the way of a step of a rotation.' });
export type MissingDocument = Document<typeof missing>;

const gate = z
  .object({
    safe: z.boolean(),
    missing: z.array(missing),
    taken: z
      .array(z.object({ who: z.string(), by: z.enum(['fetch', 'time']) }))
      .describe(
        'Whom it rests on less than a proof for: fetch, was seen to have fetched it; time, had the time to.',
      ),
  })
  .meta({ id: 'Gate', description: 'Whether a step is safe, and everything that is missing.' });
export type GateDocument = Document<typeof gate>;

const ownRoot = z
  .object({
    fingerprint: hex64,
    label: z.string(),
    stage: z.enum(['published', 'in-use', 'retiring', 'gone']),
    since: instant,
    known_by: z.string().describe('How the stage is known: bundle, mesh, own-svid, config, only-root.'),
    published_at: instant,
    in_use_at: instant.nullable(),
    retiring_at: instant.nullable(),
    not_before: instant,
    not_after: instant,
    use: gate.describe('Whether the mesh may sign with it.'),
    retire: gate.describe('Whether it may go.'),
  })
  .meta({ id: 'OwnRoot', description: 'A root of our own and where it stands.' });
export type OwnRootDocument = Document<typeof ownRoot>;

const peer = z
  .object({
    trust_domain: trustDomain,
    known: z
      .enum(['identified', 'inferred', 'never-seen'])
      .describe('How that is known: it proved it, it was inferred from its address, or it was never seen.'),
    sequence: sequence.nullable(),
    held_since: instant.nullable(),
    in_mesh: z.object({ progress: z.string(), since: instant }).nullable(),
    seen_at: instant.nullable(),
    address: z.string().nullable(),
    newest: z
      .boolean()
      .nullable()
      .describe('Whether that is the version that is published now; null: not known.'),
  })
  .meta({ id: 'RotationPeer', description: 'A peer, and what it holds of our bundle.' });
export type RotationPeerDocument = Document<typeof peer>;

const poller = z
  .object({
    address: z.string(),
    sequence: sequence.nullable(),
    newest: z.boolean().nullable(),
    last_seen_at: instant,
    requests: count,
  })
  .meta({ id: 'Poller', description: 'A poller without an identity, at an address where no peer is known.' });
export type PollerDocument = Document<typeof poller>;

const finding = z
  .object({ level: z.enum(['impossible', 'risky', 'note']), code: z.string(), message: z.string() })
  .meta({ id: 'Finding', description: 'Lifetimes, hints and lead times that do not fit together.' });

const rotation = z
  .object({
    trust_domain: trustDomain,
    sequence: sequence.nullable(),
    signing_known_by: z
      .string()
      .nullable()
      .describe('How it is known what signs; null where nothing reports it.'),
    refresh_hint_seconds: z.number(),
    lead_seconds: z.number(),
    leaf_lifetime_seconds: z.number(),
    settle_seconds: z.number(),
    roots: z.array(ownRoot),
    peers: z.array(peer),
    pollers: z.array(poller),
    findings: z.array(finding),
  })
  .meta({ id: 'Rotation', description: 'Where the rotation of our own roots stands.' });
export type RotationDocument = Document<typeof rotation>;

export const rotationRoutes = {
  'GET /v1/rotation': {
    summary: 'Where the rotation of our own roots stands.',
    role: 'viewer',
    answer: rotation,
    errors: ['own-bundle-unknown'],
  },
} as const satisfies Routes;
