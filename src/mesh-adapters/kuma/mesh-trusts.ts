import type { Clock, Random } from '../../platform/index.ts';
import type { MeshTrust, MeshTrustSpec } from './mesh-trust.ts';

/** A MeshTrust to be written. */
export interface WantedMeshTrust {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: MeshTrustSpec;
}

/** The MeshTrusts of one mesh, from REST or Kubernetes. Every method throws `MeshAdapterError`. */
export interface MeshTrusts {
  list(signal: AbortSignal): Promise<readonly MeshTrust[]>;
  /** Makes it, or puts it in the place of `before`. Gives what the control plane warns of. */
  put(
    wanted: WantedMeshTrust,
    before: MeshTrust | undefined,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** Deletes it. One that does not exist is not an error. */
  delete(trust: MeshTrust, signal: AbortSignal): Promise<void>;
  /**
   * Reports all of them now and after each change until the signal aborts. It reports trouble and
   * tries again.
   */
  follow(options: {
    readonly onTrusts: (trusts: readonly MeshTrust[]) => void;
    readonly onContact: () => void;
    readonly onTrouble: (error: unknown) => void;
    readonly clock: Clock;
    readonly random: Random;
    readonly signal: AbortSignal;
  }): Promise<void>;
}
