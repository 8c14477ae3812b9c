import { z } from 'zod';
import { PROTOCOLS } from '../../services/index.ts';
import { coded, count, instant, trustDomain } from './fields.ts';
import type { Document, RequestDocument, Routes } from './route.ts';

const serviceId = z.string().max(253).describe('The ID of a service of ours, such as `web.shop`.');
const address = z.object({ host: z.string().max(253), port: z.int().min(1).max(65_535) });

const ownPort = z.object({
  name: z.string(),
  port: z.int(),
  protocol: z.enum(PROTOCOLS),
  server_first: z.boolean().describe('The server speaks first, as in MySQL.'),
  target: address
    .nullable()
    .describe("Where the mesh's own proxies take mTLS; a port without it is not exported."),
  sni: z.string().nullable().describe('The name by which our gateway routes to it.'),
});

const ownService = z
  .object({
    service: serviceId,
    origin: z.enum(['mesh', 'operator']),
    spiffe_ids: z.array(z.string()),
    namespace: z.string().nullable(),
    ports: z.array(ownPort),
    obstacle: coded.nullable().describe('Why it cannot be exported; null where it can.'),
    exported_to: z.array(trustDomain),
    rules: count.describe('How many access rules it has.'),
  })
  .meta({ id: 'OwnService', description: 'A service of our mesh.' });
export type OwnServiceDocument = Document<typeof ownService>;

const exported = z
  .object({
    service: serviceId,
    trust_domain: trustDomain.describe('The peer that sees it.'),
    state: z
      .enum(['serving', 'draining', 'down', 'refused'])
      .describe('In its list, ends soon, gone from our mesh, or not in its list because of the reason.'),
    reason: coded.nullable(),
    since: instant,
    drain_until: instant.nullable(),
    actor: z.string().describe('Who exported it; `config` for the config file, `mesh` for that of the mesh.'),
    sequence: count.nullable().describe('The number of the list that the peer gets; null before the first.'),
    may_call: z.array(z.string()).describe('The callers of the peer that our rules let in; empty: none.'),
    snis: z.array(z.string()),
    used: z
      .object({
        state: z.enum(['imported', 'refused', 'not-imported']),
        code: z.string().nullable(),
        sequence: count.describe('The number of the list that the peer has.'),
      })
      .nullable()
      .describe('What the peer reports; null where it reported nothing.'),
    in_mesh: z
      .object({ state: z.string(), code: z.string().nullable(), message: z.string().nullable() })
      .nullable()
      .describe('What our mesh did with it; null where it has nothing of it.'),
  })
  .meta({ id: 'Export', description: 'A service of ours that a peer may see.' });
export type ExportDocument = Document<typeof exported>;

const described = z
  .strictObject({
    ports: z
      .array(
        z.strictObject({
          name: z.string().max(63),
          port: z.int(),
          protocol: z.enum(PROTOCOLS).default('http'),
          server_first: z.boolean().default(false),
          target: address,
        }),
      )
      .min(1)
      .max(32),
    spiffe_ids: z.array(z.string().max(2048)).min(1).max(64),
    namespace: z.string().min(1).max(253).optional(),
    labels: z.record(z.string().max(317), z.string().max(63)).optional(),
  })
  .describe('For a service that the mesh does not report.');

const exportRequest = z
  .strictObject({
    service: serviceId,
    to: z.array(trustDomain).min(1).max(1000).describe('The peers that are to see it.'),
    described: described.optional(),
  })
  .meta({ id: 'ExportRequest', description: 'A service of ours for peers to see.' });
export type ExportRequestDocument = RequestDocument<typeof exportRequest>;

const withdrawRequest = z
  .strictObject({
    service: serviceId,
    from: z.array(trustDomain).min(1).max(1000).optional().describe('Left out: every peer.'),
  })
  .meta({ id: 'WithdrawRequest', description: 'The end of an export.' });

const forgetRequest = z
  .strictObject({ service: serviceId })
  .meta({ id: 'ForgetRequest', description: 'A described service that is over.' });

export const exportRoutes = {
  'GET /v1/services': {
    summary: 'The services of our mesh, and whether each can be exported.',
    role: 'viewer',
    answer: z.array(ownService),
    errors: ['services-off'],
  },
  'GET /v1/exports': {
    summary: 'What peers may see, and what they do with it.',
    role: 'viewer',
    answer: z.array(exported),
    errors: ['services-off'],
  },
  'POST /v1/exports': {
    summary: 'Let peers see a service of ours.',
    role: 'operator',
    body: exportRequest,
    answer: z.array(exported),
    status: 201,
    errors: [
      'services-off',
      'own-bundle-unknown',
      'no-svid',
      'no-gateway',
      'service-id-invalid',
      'service-port-invalid',
      'service-unknown',
      'service-not-exportable',
      'service-foreign-identity',
      'peer-unknown',
      'export-to-self',
      'catalogue-too-large',
      'declared-in-config',
      'declared-in-mesh',
    ],
  },
  'POST /v1/withdrawn-exports': {
    summary: 'End an export: it drains, then it is gone.',
    role: 'operator',
    body: withdrawRequest,
    answer: z.array(exported),
    errors: ['services-off', 'not-exported', 'declared-in-config', 'declared-in-mesh'],
  },
  'POST /v1/forgotten-services': {
    summary: 'Forget a service that was described at the command line.',
    role: 'operator',
    body: forgetRequest,
    answer: forgetRequest,
    errors: ['services-off', 'service-unknown', 'service-still-exported', 'declared-in-config'],
  },
} as const satisfies Routes;
