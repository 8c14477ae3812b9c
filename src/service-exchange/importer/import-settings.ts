import type { EndpointAddress } from '../../services/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';

/** What the operator decides about imports; read again when the config changes. */
export interface ImportSettings {
  /** The end of the names of imports. */
  readonly suffix: string;
  /** How long a withdrawn or dropped import keeps its connections. */
  readonly drainMs: number;
  /** Whether a catalogue that its owner no longer confirms is used until it expires. */
  readonly stalePolicy: 'keep' | 'remove';
  /** After this time without confirmation a catalogue is overdue. */
  readonly overdueMs: number;
  /** Where our callers connect to instead of the peer's gateways. */
  readonly egressGateway: EndpointAddress | undefined;
  /** Ranges of loopback or private networks in which gateways of peers may be. */
  readonly allowedGatewayRanges: readonly string[];
  /** IDs of the networks in which we reach the workloads of a peer by their addresses. */
  readonly networksWith: (peer: TrustDomain) => readonly string[];
}
