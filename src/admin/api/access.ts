import { z } from 'zod';
import { PROTOCOLS } from '../../services/index.ts';
import { coded, instant } from './fields.ts';
import type { Document, RequestDocument, Routes } from './route.ts';

const serviceId = z.string().max(253).describe('The ID of a service of ours, such as `web.shop`.');
const ruleId = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'the ID of a rule is a lower-case DNS label');

const texts = (most: number) => z.array(z.string().max(2048)).min(1).max(most);

const ruleBody = {
  effect: z.enum(['allow', 'deny']).describe('A deny rule wins over every allow rule.'),
  from: texts(100).describe('SPIFFE IDs with a path, or trust domains for all of their identities.'),
  ports: texts(50).optional().describe('Names of ports; left out: all.'),
  methods: texts(50).optional().describe('Such as `GET`.'),
  paths: texts(50).optional().describe('`/remarks`, or `/v1/*` for a path and all segments below it.'),
  headers: texts(50).optional().describe('`name: value`, or `name` for one that is there.'),
};

const accessRule = z
  .object({
    id: z.string(),
    ...ruleBody,
    since: instant,
    actor: z.string().describe('Who made it; `config` for the config file.'),
    unfit: z.string().nullable().describe('Why it does not count for its service as it is now; else null.'),
  })
  .meta({ id: 'AccessRule', description: 'A rule about who may call a service of ours.' });
export type AccessRuleDocument = Document<typeof accessRule>;

const accessPolicy = z
  .object({
    service: serviceId,
    ports: z
      .array(
        z.object({
          name: z.string(),
          port: z.int(),
          protocol: z.enum(PROTOCOLS),
          server_first: z.boolean(),
        }),
      )
      .nullable()
      .describe('null where our mesh does not have the service now.'),
    namespace: z.string().nullable(),
    labels: z.record(z.string(), z.string()),
    rules: z.array(accessRule),
    in_mesh: z
      .object({ state: z.string(), code: z.string().nullable(), message: z.string().nullable() })
      .nullable()
      .describe('What our mesh did with the rules; null where it has nothing of them.'),
  })
  .meta({ id: 'AccessPolicy', description: 'Every rule about one service of ours.' });
export type AccessPolicyDocument = Document<typeof accessPolicy>;

const addRule = z
  .strictObject({ service: serviceId, id: ruleId.optional(), ...ruleBody })
  .meta({ id: 'AddAccessRule', description: 'A new rule; without an ID it gets the next number.' });
export type AddAccessRuleDocument = RequestDocument<typeof addRule>;

const addedRule = z
  .object({ service: serviceId, ...accessRule.shape, warnings: z.array(coded) })
  .meta({ id: 'AddedAccessRule', description: 'The rule as it counts now.' });
export type AddedAccessRuleDocument = Document<typeof addedRule>;

const revokeRule = z
  .strictObject({ service: serviceId, id: z.string().max(63) })
  .meta({ id: 'RevokeAccessRule', description: 'A rule that is over.' });

const accessCheck = z
  .strictObject({
    service: serviceId,
    from: z.string().max(2048).describe("The caller's SPIFFE ID."),
    port: z.string().max(63).optional().describe('The name of the port; left out: the only one.'),
    method: z.string().max(20).optional(),
    path: z.string().max(8192).optional(),
    headers: z.record(z.string().max(64), z.string().max(8192)).optional(),
  })
  .meta({ id: 'AccessCheck', description: 'A call to judge.' });

const accessVerdict = z
  .object({
    service: serviceId,
    port: z.string(),
    allowed: z.boolean(),
    rule: z.string().nullable().describe('The rule that decided.'),
    code: z
      .enum(['denied-by-rule', 'no-rule-allows', 'path-ambiguous', 'not-exported'])
      .nullable()
      .describe('Why not; null where it is allowed.'),
  })
  .meta({ id: 'AccessVerdict', description: 'What our rules say about a call.' });
export type AccessVerdictDocument = Document<typeof accessVerdict>;

export const accessRoutes = {
  'GET /v1/access': {
    summary: 'Who may call our services: every rule, by service.',
    role: 'viewer',
    answer: z.array(accessPolicy),
    errors: ['services-off'],
  },
  'GET /v1/access/{service}': {
    summary: 'Who may call one service.',
    role: 'viewer',
    answer: accessPolicy,
    errors: ['services-off', 'service-unknown'],
  },
  'POST /v1/access': {
    summary: 'Add a rule about who may call a service, or may not.',
    role: 'operator',
    body: addRule,
    answer: addedRule,
    status: 201,
    errors: [
      'services-off',
      'service-id-invalid',
      'service-unknown',
      'peer-unknown',
      'caller-invalid',
      'method-invalid',
      'path-not-canonical',
      'header-invalid',
      'rule-invalid',
      'port-unknown',
      'http-condition-on-tcp',
      'rule-id-taken',
      'rules-many',
    ],
  },
  'POST /v1/revoked-access': {
    summary: 'Take a rule away.',
    role: 'operator',
    body: revokeRule,
    answer: revokeRule,
    errors: ['services-off', 'rule-unknown', 'declared-in-config'],
  },
  'POST /v1/access-check': {
    summary: 'Judge a call by the rules of a service.',
    role: 'viewer',
    body: accessCheck,
    answer: accessVerdict,
    errors: ['services-off', 'service-unknown', 'own-bundle-unknown', 'port-unknown', 'id-invalid'],
  },
} as const satisfies Routes;
