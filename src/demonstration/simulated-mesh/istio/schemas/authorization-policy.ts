import { z } from 'zod';
import { labels, some } from './check-spec.ts';

/** `*` alone, or text with one star, at its beginning or its end. */
const pattern = z
  .string()
  .min(1, 'must not be empty')
  .regex(/^(?:\*|\*?[^*]+|[^*]+\*)$/, 'must have a star at its beginning or its end only');

const when = z
  .strictObject({
    key: z
      .string()
      .regex(/^request\.headers\[[^\]]+\]$/, 'must be request.headers[…], the only key that is simulated'),
    values: some(pattern).optional(),
    notValues: some(pattern).optional(),
  })
  .refine(({ values, notValues }) => values !== undefined || notValues !== undefined, 'must have values');

const rule = z.strictObject({
  from: some(
    z.strictObject({
      source: z.strictObject({
        principals: some(pattern).optional(),
        notPrincipals: some(pattern).optional(),
      }),
    }),
  ).optional(),
  to: some(
    z.strictObject({
      operation: z.strictObject({
        ports: some(z.string().regex(/^[1-9][0-9]{0,4}$/, 'must be a port number')).optional(),
        notPorts: some(z.string().regex(/^[1-9][0-9]{0,4}$/)).optional(),
        methods: some(pattern).optional(),
        notMethods: some(pattern).optional(),
        paths: some(pattern).optional(),
        notPaths: some(pattern).optional(),
      }),
    }),
  ).optional(),
  when: some(when).optional(),
});

/** `security.istio.io/v1 AuthorizationPolicy`. */
export const authorizationPolicySpec = z
  .strictObject({
    selector: z.strictObject({ matchLabels: labels }).optional(),
    action: z
      .enum(['ALLOW', 'DENY'], 'must be ALLOW or DENY, the actions that are simulated')
      .default('ALLOW'),
    rules: z.array(rule).max(512).optional(),
  })
  .refine(
    ({ action, rules }) => action !== 'DENY' || (rules !== undefined && rules.length > 0),
    'DENY without rules would have no effect',
  );

export type AuthorizationPolicySpec = z.output<typeof authorizationPolicySpec>;
