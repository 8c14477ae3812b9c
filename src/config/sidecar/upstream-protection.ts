import { z } from 'zod';
import { evenIfWrong } from '../fields.ts';
import { limitedDuration } from './limited-duration.ts';

const most = (what: string, standard: number) =>
  z.int().min(1).max(100_000).default(standard).describe(`${what} (circuit breaking).`);

/** The most that one upstream gets at the same time. */
export const limits = z.strictObject({
  max_connections: most('Open connections with each endpoint', 64),
  max_pending: most('Requests that wait for a connection. Above it: 503 `max-pending-reached`', 1024),
  max_requests: most('Requests that are not answered yet. Above it: 503 `max-requests-reached`', 1024),
});

/** When endpoints that fail are left out. */
export const outlierDetection = z
  .strictObject({
    consecutive_failures: z
      .int()
      .min(1)
      .max(1000)
      .default(5)
      .describe(
        'So many failures, one after the other, take an endpoint out: no answer, or a status from 500 up.',
      ),
    ejection_time: limitedDuration('100ms', '1h')
      .prefault('30s')
      .describe('How long an endpoint is out the first time; each further time that much longer.'),
    max_ejection_time: limitedDuration('100ms', '24h')
      .prefault('5m')
      .describe('The longest time that an endpoint is out.'),
    max_ejected_share: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe(
        'The most endpoints that are out at the same time, as a share of all, rounded down. 1 takes out the only endpoint too: then the sidecar answers 503 `no-usable-endpoint` at once.',
      ),
  })
  .superRefine(({ ejection_time: first, max_ejection_time: longest }, context) => {
    if (first > longest)
      context.addIssue({
        code: 'custom',
        path: ['max_ejection_time'],
        message: 'is shorter than "ejection_time"',
      });
  }, evenIfWrong);

/** Which requests are tried again. */
export const retries = z
  .strictObject({
    attempts: z.int().min(1).max(10).default(2).describe('Attempts after the first one.'),
    on_status: z
      .array(z.int().min(500).max(599))
      .max(20)
      .default([502, 503, 504])
      .describe(
        'Answers after which an idempotent request without a body is tried again. Default: 502, 503, 504.',
      ),
    budget: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe('The most retries, as a share of the requests of the last ten seconds.'),
    min_per_second: z
      .number()
      .min(0)
      .max(1000)
      .default(1)
      .describe('So many retries a second in any case, on top of the budget.'),
    backoff: limitedDuration('1ms', '1m')
      .prefault('25ms')
      .describe(
        'The longest wait before the first retry, doubled with each further one; by chance up to it.',
      ),
    max_backoff: limitedDuration('1ms', '1m').prefault('1s').describe('The longest wait before a retry.'),
  })
  .superRefine(({ backoff, max_backoff: longest }, context) => {
    if (backoff > longest)
      context.addIssue({ code: 'custom', path: ['max_backoff'], message: 'is shorter than "backoff"' });
  }, evenIfWrong);
