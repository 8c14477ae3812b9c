import { z } from 'zod';
import { messageOf } from '../errors/index.ts';
import { defined } from '../objects/index.ts';
import {
  type AccessPolicy,
  type AccessRule,
  checkPorts,
  checkRule,
  parseCaller,
  parseHeaderMatch,
  parseMethod,
  parsePathMatch,
  parseServiceId,
  PROTOCOLS,
} from '../services/index.ts';
import { parsed } from './fields.ts';

/** Most rules of one service. */
export const MAX_RULES = 200;

const list = <Item extends z.ZodType>(item: Item) => z.array(item).min(1).optional();

/** One rule of an access policy; its ID may be left out. */
export const accessRule = z
  .strictObject({
    id: z
      .string()
      .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'the ID of a rule is a lower-case DNS label')
      .optional()
      .describe('Names the rule in answers and objects; left out: `rule-` and its number.'),
    effect: z.enum(['allow', 'deny']).default('allow').describe('A deny rule wins over every allow rule.'),
    from: z
      .array(parsed(parseCaller))
      .min(1)
      .describe('Callers: SPIFFE IDs with a path, or names of trust domains for all identities of them.'),
    ports: list(z.string()).describe('Names of ports; left out: all.'),
    methods: list(parsed(parseMethod)).describe('Such as `GET`.'),
    paths: list(parsed(parsePathMatch)).describe(
      '`/remarks`, or `/v1/*` for a path and all segments below it.',
    ),
    headers: list(parsed(parseHeaderMatch)).describe(
      '`name: value`, or `name` for one that is there. All of them are needed.',
    ),
  })
  .transform(({ from, methods, paths, headers, ...rest }) => ({
    ...defined(rest),
    effect: rest.effect,
    callers: from,
    ...((methods ?? paths ?? headers) ? { http: defined({ methods, paths, headers }) } : {}),
  }));

/** The rules, each with an ID: its own, or `rule-` and its number. */
export function namedRules(rules: readonly z.output<typeof accessRule>[]): readonly AccessRule[] {
  return rules.map((each, index) => ({ ...each, id: each.id ?? `rule-${index + 1}` }));
}

/** A file with the access policy of one service: who may call it, and nothing else is allowed. */
export const accessPolicySchema = z
  .strictObject({
    service: parsed(parseServiceId).describe('The ID of the service: DNS labels, such as `web.shop`.'),
    ports: z
      .array(
        z.strictObject({
          name: z.string().describe('A DNS label. Rules name ports by it.'),
          port: z.int().describe('The port at which the workload listens.'),
          protocol: z.enum(PROTOCOLS).default('http'),
          server_first: z.boolean().default(false).describe('The server speaks first, as in MySQL.'),
        }),
      )
      .min(1),
    rules: z.array(accessRule).max(MAX_RULES).default([]),
  })
  .transform(({ service: id, ports, rules }, context): AccessPolicy => {
    const service = {
      id,
      ports: ports.map(({ server_first: serverFirst, ...port }) => ({ ...port, serverFirst })),
    };
    const report = (path: (string | number)[], check: () => void) => {
      try {
        check();
      } catch (error) {
        context.addIssue({ code: 'custom', path, message: messageOf(error) });
      }
    };
    const named = namedRules(rules);
    report(['ports'], () => checkPorts(service.ports));
    for (const [index, each] of named.entries()) {
      report(['rules', index], () => checkRule(each, service));
      if (named.findIndex(({ id: other }) => other === each.id) !== index)
        context.addIssue({
          code: 'custom',
          path: ['rules', index, 'id'],
          message: `another rule has the ID ${each.id}`,
        });
    }
    return { service, rules: named };
  });
