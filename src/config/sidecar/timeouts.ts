import { z } from 'zod';
import { limitedDuration } from './limited-duration.ts';

/** The limits of time for one request, on either side of a sidecar. */
export const timeouts = z.strictObject({
  connect: limitedDuration('10ms', '1m')
    .prefault('5s')
    .describe(
      'Longest wait for a connection; to a sidecar, TLS handshake included. Answer: 503, to a workload 504.',
    ),
  idle: limitedDuration('10ms', '1h')
    .prefault('5m')
    .describe('Longest silence between two parts of a request or its answer. Answer: 502 `peer-silent`.'),
  request: limitedDuration('10ms', '1h')
    .optional()
    .describe(
      'Longest time until the last byte of the answer, retries included. Answer: 504 `request-timeout`. Default: no limit.',
    ),
});
