import { z } from 'zod';
import { duration, path, pinField } from '../fields.ts';

/** `mesh` of kind `vault`. */
export const vaultMesh = z.strictObject({
  kind: z.literal('vault'),
  address: z
    .url({ protocol: /^https?$/ })
    .describe('Base URL of a Vault or OpenBao server, such as `https://vault.example:8200`.'),
  mount: z
    .string()
    .regex(
      /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/,
      'a mount is a path such as "pki" or "team/pki"',
    )
    .default('pki')
    .describe('Path of the PKI secrets engine with our roots.'),
  namespace: z.string().min(1).optional().describe('Namespace of that mount.'),
  token_file: path()
    .optional()
    .describe(
      'File with a token that may read the issuers. Without it the agent reads the public part, which does not show that an issuer was revoked.',
    ),
  ca_file: path().optional().describe("PEM file with what signs the server's certificate."),
  pinned_roots: z
    .array(pinField())
    .default([])
    .describe(
      'Our roots, `sha256:` and the digest of the key or of the certificate; each must be there. Without any, all self-signed certificates of the mount.',
    ),
  poll: duration().prefault('30s').describe('How often the mount is polled; it has no watch.'),
  foreign_folder: path().describe(
    'Folder into which foreign bundles are written, one PEM and one bundle per trust domain.',
  ),
});
