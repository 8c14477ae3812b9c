import { z } from 'zod';
import type { SigningAlgorithm } from '../../demonstration/sidecar/index.ts';
import { path, size, spiffeIdField } from '../fields.ts';
import { limitedDuration } from './limited-duration.ts';

const ALGORITHMS = [
  'hmac-sha256',
  'ecdsa-p256-sha256',
  'ed25519',
] as const satisfies readonly SigningAlgorithm[];

export function isSigningAlgorithm(name: string | undefined): name is SigningAlgorithm {
  return ALGORITHMS.some((each) => each === name);
}

const MOST_BODY_BYTES = 64 * 1024 * 1024;

const key = {
  id: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'a key ID has 1 to 128 visible characters of ASCII')
    .describe('The `keyid` of signatures.'),
  algorithm: z.enum(ALGORITHMS).describe('One shared secret, or a pair of keys.'),
};

const maxBody = () =>
  size()
    .refine((bytes) => bytes >= 0 && bytes <= MOST_BODY_BYTES, 'from 0B to 64MiB')
    .prefault('1MiB')
    .describe('The largest content; it is read as a whole. Above it: 413 `content-too-large`.');

/** How the requests of an outbound listener are signed. */
export const sign = z.strictObject({
  ...key,
  key_file: path().describe(
    'Mode 0600: at least 32 bytes in base64 for `hmac-sha256`, else the private key as PEM.',
  ),
  lifetime: limitedDuration('1s', '1h').prefault('30s').describe('How long a signature is valid.'),
  max_body: maxBody(),
});

/** Which signatures the requests to a workload must have. */
export const signatures = z
  .strictObject({
    keys: z
      .array(
        z.strictObject({
          ...key,
          key_file: path().describe(
            'For `hmac-sha256` the same secret, mode 0600; else the public key as PEM.',
          ),
          callers: z
            .array(spiffeIdField())
            .min(1)
            .max(1000)
            .optional()
            .describe('The SPIFFE IDs that may sign with it. Default: every caller that is let in.'),
        }),
      )
      .min(1)
      .max(100)
      .describe('The accepted keys; several while a key is replaced.'),
    max_skew: limitedDuration('0s', '5m')
      .prefault('30s')
      .describe('How far the clock of a caller may be ahead of ours, or behind.'),
    max_lifetime: limitedDuration('1s', '1h')
      .prefault('1m')
      .describe('The longest time from `created` to `expires` of a signature.'),
    max_body: maxBody(),
    replay_memory: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(100_000)
      .describe(
        'Signatures of each key that are remembered until they expire, so that none comes twice. Above it: 503 `replay-memory-full`.',
      ),
  })
  .superRefine(({ keys }, context) => {
    const seen = new Set<string>();
    for (const [index, { id }] of keys.entries()) {
      if (seen.has(id))
        context.addIssue({
          code: 'custom',
          path: ['keys', index, 'id'],
          message: `is listed twice: ${JSON.stringify(id)}`,
        });
      seen.add(id);
    }
  });
