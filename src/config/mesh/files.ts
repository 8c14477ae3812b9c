import { z } from 'zod';
import { duration, evenIfWrong, path } from '../fields.ts';

/** `mesh` of kind `files`. */
export const filesMesh = z
  .strictObject({
    kind: z.literal('files'),
    own_pem_files: z.array(path()).min(1).optional().describe('PEM files with the own roots; or:'),
    own_bundle_file: path().optional().describe('A SPIFFE bundle document with the own roots and JWT keys.'),
    own_signing_pem_file: path()
      .optional()
      .describe(
        'A PEM file with the own root that signs identities now. In a mesh of files `federate rotation` has no other source for that.',
      ),
    foreign_folder: path().describe(
      'Folder into which foreign bundles are written, one PEM and one bundle per trust domain.',
    ),
    services_folder: path()
      .optional()
      .describe(
        'Folder into which imports, exports and access rules are written as data (docs/meshes/files.md); by default `services` in `foreign_folder`.',
      ),
    poll: duration().prefault('2s').describe('How often the own files are looked at.'),
  })
  .superRefine((mesh, context) => {
    if ((mesh.own_pem_files === undefined) !== (mesh.own_bundle_file === undefined)) return;
    context.addIssue({
      code: 'custom',
      message: 'own roots come from either own_pem_files or own_bundle_file',
    });
  }, evenIfWrong);
