import type { WantedAccess, WantedExport } from '../mesh-adapters/index.ts';
import type { ImportedService } from '../services/index.ts';

/** What the mesh should hold for services, read again for every comparison. */
export interface ServiceWants {
  exports(): Promise<readonly WantedExport[]>;
  /** One policy for each service that is exported or has a rule, without rules too. */
  access(): Promise<readonly WantedAccess[]>;
  imports(): Promise<readonly ImportedService[]>;
}

/** No service is exported or imported. */
export const NO_SERVICES: ServiceWants = {
  exports: async () => [],
  access: async () => [],
  imports: async () => [],
};
