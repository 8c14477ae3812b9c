import type { MeshServices } from '../contract/mesh-services.ts';
import { applyAccess } from './apply-access.ts';
import { applyExports } from './apply-exports.ts';
import { ImportWriter, type ImportWriterOptions } from './apply-imports.ts';
import type { ConfigWriter } from './config-writer.ts';
import { readServices } from './read-services.ts';

/** The services of a Consul cluster, and those of peers in it. See docs/meshes/consul.md. */
export function createConsulServices(options: ConfigWriter & ImportWriterOptions): MeshServices {
  const imports = new ImportWriter(options);
  return {
    readServices: (signal) => readServices(options.client, options.peerNamePrefix, signal),
    applyExports: (wanted, signal) => applyExports(wanted, options, signal),
    applyImports: (wanted, signal) => imports.apply(wanted, signal),
    applyAccess: (wanted, signal) => applyAccess(wanted, options, signal),
  };
}
