import type { WantedAccess, WantedExport } from '../mesh-adapters/index.ts';
import type { ImportedService } from '../services/index.ts';

/** What the mesh should hold for services, read again for every comparison. */
export interface ServiceWants {
  /** Undefined while it is not known yet, after a start: then the mesh keeps what it has. */
  exports(): Promise<readonly WantedExport[] | undefined>;
  /**
   * One policy for each service that is exported or has a rule, without rules too. Undefined while
   * it is not known yet: a policy that is taken out lets every caller in.
   */
  access(): Promise<readonly WantedAccess[] | undefined>;
  imports(): Promise<readonly ImportedService[]>;
}
