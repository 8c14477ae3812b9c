import { z } from 'zod';
import { coded, count, hex64, instant, MAX_REASON_CHARACTERS, trustDomain } from './fields.ts';
import type { Document, RequestDocument, Routes } from './route.ts';

const serviceId = z.string().max(253).describe('The ID of the service at its owner, such as `web.shop`.');
const hostName = z.string().max(253);

const offeredPort = z
  .object({
    name: z.string(),
    port: z.int(),
    protocol: z.enum(['http', 'http2', 'grpc', 'tcp']),
    server_first: z.boolean().describe('The server speaks first, as in MySQL.'),
    sni: z.string().describe("The name by which the owner's gateway routes."),
  })
  .meta({ id: 'OfferedPort', description: 'A port of a service of a peer.' });
export type OfferedPortDocument = Document<typeof offeredPort>;

const offeredService = z
  .object({
    service: serviceId,
    state: z.enum(['serving', 'draining', 'down']),
    spiffe_ids: z.array(z.string()).describe('The only identities that may answer.'),
    ports: z.array(offeredPort),
    may_call: z
      .array(z.string())
      .describe("The callers of our trust domain that the owner's policy lets in; empty: none."),
    imported_as: z.string().nullable().describe('The name of the import; null where it is not imported.'),
  })
  .meta({ id: 'OfferedService', description: 'A service that a peer offers us.' });
export type OfferedServiceDocument = Document<typeof offeredService>;

const peerOffers = z
  .object({
    trust_domain: trustDomain,
    sequence: count.nullable().describe('The number of the list that is used; null without one.'),
    received_at: instant.nullable(),
    expires_at: instant.nullable().describe('Until then the list is used without a newer one.'),
    services: z.array(offeredService),
    last_answer: z
      .object({
        at: instant,
        outcome: z
          .string()
          .describe(
            'accepted, unchanged, waiting, rejected, refused, nothing-offered, not-identified or failed.',
          ),
        code: z.string().nullable(),
        message: z.string().nullable(),
      })
      .nullable()
      .describe('How asking the peer went last.'),
  })
  .meta({ id: 'PeerOffers', description: 'What one peer offers us.' });
export type PeerOffersDocument = Document<typeof peerOffers>;

const imported = z
  .object({
    name: hostName.describe('The host name that callers here use.'),
    service: serviceId,
    trust_domain: trustDomain.describe('The owner.'),
    state: z
      .enum(['serving', 'draining', 'waiting', 'conflict', 'absent'])
      .describe(
        'Used, ends soon, used while a change waits for the operator, or not used because of a conflict or because it is not offered.',
      ),
    reason: coded.nullable(),
    namespaces: z.array(z.string()).describe('The namespaces that see the name; `*` for all.'),
    spiffe_ids: z.array(z.string()),
    ports: z.array(offeredPort),
    since: instant,
    drain_until: instant.nullable(),
    actor: z.string().describe('Who imported it; `config` for the config file.'),
    in_mesh: z
      .object({ state: z.string(), code: z.string().nullable(), message: z.string().nullable() })
      .nullable()
      .describe('What the mesh did with it; null where it has nothing of it.'),
  })
  .meta({ id: 'Import', description: 'A service of a peer that we use.' });
export type ImportDocument = Document<typeof imported>;

const importRequest = z
  .strictObject({
    service: serviceId,
    from: trustDomain.describe('The owner.'),
    name: hostName
      .optional()
      .describe('The host name that callers here use; left out: `<service>.<alias>.<suffix>`.'),
    alias: z.string().max(63).optional().describe("The owner's label in that name."),
    namespaces: z
      .array(z.string().min(1).max(253))
      .min(1)
      .max(100)
      .optional()
      .describe('The namespaces that see the name; left out: all.'),
  })
  .meta({ id: 'ImportRequest', description: 'A service of a peer to use.' });
export type ImportRequestDocument = RequestDocument<typeof importRequest>;

const dropRequest = z
  .strictObject({
    name: hostName.describe('The name of the import, or the ID of its service.'),
    from: trustDomain.optional().describe('The owner, where several have such a service.'),
  })
  .meta({ id: 'DropRequest', description: 'An import to end.' });

const waitingList = z
  .object({
    trust_domain: trustDomain,
    status: z.enum(['waiting', 'rejected']),
    changes: z.array(
      z.object({
        code: z.string().describe('identity-change, protocol-change, first-tcp or mass-withdrawal.'),
        service: serviceId.nullable(),
        message: z.string(),
      }),
    ),
    sequence: count,
    digest: hex64,
    held_sequence: count.nullable(),
    since: instant.describe('When this content was seen first.'),
    last_seen: instant,
    services: z.array(serviceId),
  })
  .meta({ id: 'WaitingList', description: 'A list of services that is not used because of a change in it.' });
export type WaitingListDocument = Document<typeof waitingList>;

const listDecision = z
  .strictObject({
    decision: z.enum(['accept', 'reject']),
    digest: z
      .string()
      .regex(/^(?:sha256:)?[0-9a-f]{6,64}$/, 'a digest is given by 6 to 64 hex digits')
      .describe("At least the first six digits of the list's digest."),
    reason: z.string().min(1).max(MAX_REASON_CHARACTERS).describe('Why, for the audit log.'),
  })
  .meta({ id: 'ListDecision', description: "The operator's decision about a list of services." });

const decidedList = z
  .object({ trust_domain: trustDomain, decision: listDecision.shape.decision, digest: hex64 })
  .meta({ id: 'DecidedList', description: 'What was decided about a list of services.' });
export type DecidedListDocument = Document<typeof decidedList>;

export const importRoutes = {
  'GET /v1/service-offers': {
    summary: 'What peers offer us, after asking them.',
    role: 'viewer',
    answer: z.array(peerOffers),
    errors: ['services-off'],
  },
  'GET /v1/service-offers/{trust_domain}': {
    summary: 'What one peer offers us, after asking it.',
    role: 'viewer',
    answer: peerOffers,
    errors: ['services-off', 'not-federated'],
  },
  'GET /v1/imports': {
    summary: 'The services of peers that we use.',
    role: 'viewer',
    answer: z.array(imported),
    errors: [],
  },
  'POST /v1/imports': {
    summary: 'Use a service that a peer offers.',
    role: 'operator',
    body: importRequest,
    answer: imported,
    status: 201,
    errors: [
      'services-off',
      'not-federated',
      'service-id-invalid',
      'service-not-offered',
      'import-name-invalid',
      'import-name-taken',
      'import-sni-taken',
      'import-alias-needed',
      'declared-in-config',
    ],
  },
  'POST /v1/dropped-imports': {
    summary: 'End an import: it drains, then it is gone.',
    role: 'operator',
    body: dropRequest,
    answer: imported,
    errors: ['services-off', 'not-imported', 'import-ambiguous', 'declared-in-config'],
  },
  'GET /v1/waiting-lists': {
    summary: 'The lists of services that wait for the operator, or that were rejected and are still offered.',
    role: 'viewer',
    answer: z.array(waitingList),
    errors: ['services-off'],
  },
  'POST /v1/waiting-lists/{trust_domain}': {
    summary: 'Accept a list of services as it was shown, or reject it for good.',
    role: 'operator',
    body: listDecision,
    answer: decidedList,
    errors: ['services-off', 'not-federated', 'nothing-waits', 'offer-changed'],
  },
} as const satisfies Routes;
