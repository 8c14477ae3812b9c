import type { Clock, Random } from '../../platform/index.ts';
import type { AdapterState } from './adapter-state.ts';
import type { OwnTrust } from './mesh-adapter.ts';

/** What every reader of the own trust needs: where it reports, and until when. */
export interface OwnTrustReading {
  readonly state: AdapterState;
  readonly report: (own: OwnTrust) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}
