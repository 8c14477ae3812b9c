import { z } from 'zod';
import { count, instant, sequence, trustDomain, warning } from './fields.ts';
import type { Document, Routes } from './route.ts';

const identity = z
  .object({
    source: z.enum(['files', 'sds', 'workload-api']),
    from: z.string().describe('The file, the socket, or the address of the Workload API.'),
    id: z
      .string()
      .nullable()
      .describe('Null while there is none: it has not come yet, has expired or was taken back.'),
    not_after: instant.nullable(),
    code: z
      .string()
      .nullable()
      .describe(
        'Why nothing new comes: permission-denied, refused, unavailable, message-malformed, or svid-expired where it was not renewed.',
      ),
    message: z.string().nullable(),
  })
  .meta({ id: 'Identity', description: "Where the agent's own X509-SVID comes from, and its state." });
export type IdentityDocument = Document<typeof identity>;

const workloadApi = z
  .object({
    socket: z.string(),
    proxies: count.describe('Open SDS streams, one per proxy as a rule.'),
    secrets: count.describe(
      'Secrets that these proxies asked for and that there are, counted once per proxy.',
    ),
    secrets_current: count.describe('Those of them that the proxy has acknowledged as they are now.'),
    refused: z
      .array(z.object({ proxy: z.string(), secret: z.string(), reason: z.string() }))
      .describe('Those that a proxy refused (NACK); it goes on with the one before. The first hundred.'),
    workload_streams: count.describe('Open streams of the SPIFFE Workload API.'),
  })
  .meta({
    id: 'WorkloadApi',
    description: 'How it stands with the proxies and workloads that the agent serves.',
  });
export type WorkloadApiDocument = Document<typeof workloadApi>;

const status = z
  .object({
    ready: z.boolean(),
    trust_domain: trustDomain.nullable(),
    started_at: instant,
    own: z
      .object({
        sequence: sequence.nullable(),
        version: count.nullable().describe('Null while the store cannot be read.'),
        authorities: count,
        pin: z.string(),
      })
      .nullable()
      .describe('Our own bundle; null until the mesh has reported its roots.'),
    endpoint: z
      .object({
        url: z.string(),
        profile: z.string(),
        endpoint_id: z.string().nullable(),
        ca_file: z
          .string()
          .nullable()
          .describe(
            "On the agent's machine: the file with the CA of an https_web endpoint outside the public Web PKI.",
          ),
        serving: z.boolean(),
      })
      .describe('Our bundle endpoint.'),
    agent_id: z
      .string()
      .nullable()
      .describe("The SPIFFE ID whose signature is this agent's; null where it has no SVID (yet)."),
    identity: identity.nullable().describe('Null where the config names no SVID.'),
    mesh: z
      .object({
        kind: z.string(),
        scope: z.string(),
        connected: z.boolean(),
        code: z.string().nullable(),
        message: z.string().nullable(),
      })
      .describe('The mesh next to the agent.'),
    workload_api: workloadApi.nullable().describe('Null where the config names no workload socket.'),
    warnings: z.array(warning),
    relationships: z.object({ total: count, by_state: z.record(z.string(), count) }),
  })
  .meta({ id: 'Status', description: 'How the agent stands.' });
export type StatusDocument = Document<typeof status>;

const about = z
  .object({
    version: z.string(),
    commit: z.string().nullable(),
    node: z.string().describe('The version of Node.js that runs the agent.'),
    pid: z.int(),
    config: z.string().describe("On the agent's machine: its config file."),
    store: z.string().describe("On the agent's machine: its store."),
  })
  .meta({ id: 'About', description: 'Which program the agent is, and the files it works with.' });
export type AboutDocument = Document<typeof about>;

export const statusRoutes = {
  'GET /v1/about': {
    summary: 'Which program the agent is, and the files it works with.',
    role: 'viewer',
    answer: about,
    errors: [],
  },
  'GET /v1/status': { summary: 'How the agent stands.', role: 'viewer', answer: status, errors: [] },
} as const satisfies Routes;
