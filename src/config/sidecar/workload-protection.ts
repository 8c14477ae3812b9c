import { z } from 'zod';
import { spiffeIdField } from '../fields.ts';
import { limitedDuration } from './limited-duration.ts';

const rate = {
  requests_per_second: z
    .number()
    .min(0.001)
    .max(1_000_000)
    .describe('Requests a second, over time. Above it: 429 `rate-limited`.'),
  burst: z.int().min(1).max(1_000_000).describe('So many requests at once, after a pause.'),
};

/** How often each caller may call. */
export const rateLimit = z
  .strictObject({
    ...rate,
    callers: z
      .array(z.strictObject({ spiffe_id: spiffeIdField().describe('The caller.'), ...rate }))
      .max(10_000)
      .default([])
      .describe('Callers with a rate of their own.'),
    max_callers: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe('How many callers are told apart at the same time; those above it share one rate.'),
  })
  .superRefine(({ callers }, context) => {
    const seen = new Set<string>();
    for (const [index, { spiffe_id: id }] of callers.entries()) {
      if (seen.has(id))
        context.addIssue({
          code: 'custom',
          path: ['callers', index, 'spiffe_id'],
          message: `is listed twice: ${JSON.stringify(id)}`,
        });
      seen.add(id);
    }
  });

/** How the workload is checked. */
export const healthCheck = z.strictObject({
  path: z
    .string()
    .regex(/^\/[\x21-\x7e]*$/, 'a path begins with "/" and has neither blanks nor control characters')
    .max(1024)
    .describe('The path of the check. Healthy is a status from 200 to 299.'),
  interval: limitedDuration('100ms', '10m')
    .prefault('5s')
    .describe('From the end of a check to the beginning of the next.'),
  timeout: limitedDuration('10ms', '1m').prefault('2s').describe('Longest wait for the answer.'),
  healthy_after: z
    .int()
    .min(1)
    .max(100)
    .default(2)
    .describe(
      'So many good checks, one after the other, make it healthy again. The very first check decides alone.',
    ),
  unhealthy_after: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('So many bad checks, one after the other, make it unhealthy.'),
});
