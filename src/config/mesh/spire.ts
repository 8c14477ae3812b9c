import { z } from 'zod';
import { duration, evenIfWrong, path } from '../fields.ts';

/** `mesh` of kind `spire`. */
export const spireMesh = z
  .strictObject({
    kind: z.literal('spire'),
    socket: path()
      .optional()
      .describe(
        "The server's own Unix socket, such as `/tmp/spire-server/private/api.sock`; every process that may open it is an administrator. Or:",
      ),
    address: z
      .string()
      .regex(/^[^\s/:]+:\d{1,5}$/, 'an address is "host:port"')
      .optional()
      .describe("`host:port` of the server's TCP API, spoken to with an SVID of an admin entry."),
    certificate_file: path().optional().describe('With `address`: PEM file with that SVID, leaf first.'),
    key_file: path().optional().describe('With `address`: PEM file with its private key.'),
    trust_bundle_file: path()
      .optional()
      .describe(
        "With `address`: PEM file with the roots of the server's trust domain (`trust_domain` is needed then).",
      ),
    services_folder: path()
      .optional()
      .describe(
        'Folder into which imports, exports and access rules are written as data (docs/meshes/files.md); by default `services` next to the store.',
      ),
    poll: duration().prefault('5s').describe('How often the own bundle is read; the API has no watch.'),
    foreign_trust: z
      .enum(['bundles', 'relationships'])
      .default('bundles')
      .describe(
        "How foreign trust gets into SPIRE: `bundles` pushes what the agent has verified; `relationships` makes federation relationships, by which SPIRE polls each peer by itself, without the agent's protection against rollback and dangerous changes (docs/meshes/spire.md). Never both for a peer.",
      ),
    owned_file: path()
      .optional()
      .describe(
        'File that lists which federated bundles and relationships are ours, because SPIRE cannot store that; by default `spire-federated.json` next to the store.',
      ),
  })
  .superRefine((mesh, context) => {
    const say = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if ((mesh.socket === undefined) === (mesh.address === undefined))
      context.addIssue({ code: 'custom', message: 'SPIRE is reached by either "socket" or "address"' });
    for (const key of ['certificate_file', 'key_file', 'trust_bundle_file'] as const) {
      if (mesh.address !== undefined && mesh[key] === undefined) say(key, 'is needed with "address"');
      if (mesh.socket !== undefined && mesh[key] !== undefined) say(key, 'goes with "address" only');
    }
  }, evenIfWrong);
