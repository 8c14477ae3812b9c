import { createSpiffeVerifier, type PeerVerifier, svidFromPem, type SvidSource } from '../../mtls/index.ts';
import type { Clock, Log, Random } from '../../platform/index.ts';
import {
  createSdsSvidSource,
  createWorkloadSvidSource,
  type EndpointAddress,
  SdsClient,
  type SvidChoice,
  WorkloadX509Client,
} from '../../workload-api/index.ts';
import { MeshTrust, verifierFor } from './trust.ts';

/** Where a sidecar gets its SVID and its trust. */
export type SupplyOptions =
  | {
      /** The SDS server of the mesh for this workload, and the names of its two secrets. */
      readonly kind: 'sds';
      readonly socket: string;
      readonly certificateResource: string;
      readonly trustResource: string;
    }
  | {
      /** A SPIFFE Workload API: peers are checked per trust domain. */
      readonly kind: 'workload-api';
      readonly address: EndpointAddress;
      readonly choice: SvidChoice;
    };

/** The changing SVID and trust of a sidecar. Its users do not depend on the source. */
export interface Supply {
  readonly svid: SvidSource;
  readonly verifier: PeerVerifier;
  /** Calls back after each change of the trust. */
  onTrustChange(listener: () => void): void;
  start(): void;
  stop(): Promise<void>;
}

/** Builds the supply for these options; sends no request before `start`. */
export function createSupply(
  options: SupplyOptions,
  parts: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Supply {
  const { clock, log } = parts;
  if (options.kind === 'workload-api') {
    const client = new WorkloadX509Client({ address: options.address, ...parts });
    const svid = createWorkloadSvidSource(client, options.choice, parts);
    return {
      svid,
      verifier: createSpiffeVerifier({ bundles: client.bundles, clock }),
      onTrustChange: (listener) => void client.onChange(listener),
      start: () => client.start(),
      stop: async () => {
        svid.stop();
        await client.stop();
      },
    };
  }
  const { socket, certificateResource, trustResource } = options;
  const client = new SdsClient({
    socketPath: socket,
    resourceNames: [certificateResource, trustResource],
    nodeId: 'federate-sidecar',
    check: (secret) => {
      if (secret.name === trustResource) verifierFor(secret, clock);
      else if (secret.kind === 'certificate') svidFromPem(secret.chainPem, secret.keyPem);
    },
    ...parts,
  });
  const verifier = new MeshTrust({ client, resource: trustResource, clock, log });
  return {
    svid: createSdsSvidSource(client, certificateResource, log),
    verifier,
    onTrustChange: (listener) => verifier.onChange(listener),
    start: () => client.start(),
    stop: () => client.stop(),
  };
}
