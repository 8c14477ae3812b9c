import { type Clock, parseDurationMs, type Random, within } from '../../../platform/index.ts';
import type { ConsulState, Table } from './consul-state.ts';

const DEFAULT_WAIT_MS = 300_000;
const LONGEST_WAIT_MS = 600_000;

/** The `index` and `wait` of a request; undefined for a request that does not wait. */
export interface BlockingRequest {
  readonly index: number;
  readonly waitMs: number;
}

/**
 * Reads the query parameters; undefined without an index above 0. A malformed index or wait
 * gives the text of the refusal.
 */
export function parseBlockingRequest(query: {
  readonly index?: string | undefined;
  readonly wait?: string | undefined;
}): BlockingRequest | undefined | string {
  const { index = '0', wait } = query;
  if (!/^\d{1,15}$/.test(index)) return 'Invalid index';
  const asked = wait === undefined || wait === '' ? DEFAULT_WAIT_MS : parseDurationMs(wait);
  if (asked === undefined) return 'Invalid wait time';
  if (Number(index) === 0) return undefined;
  return { index: Number(index), waitMs: Math.min(asked === 0 ? DEFAULT_WAIT_MS : asked, LONGEST_WAIT_MS) };
}

/**
 * Resolves when the table's index exceeds the requested one, the wait is over, the state was reset,
 * or the signal aborts. Like the product, it adds a sixteenth of the wait as jitter.
 */
export async function waitForChange(options: {
  readonly state: ConsulState;
  readonly table: Table;
  readonly request: BlockingRequest;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { state, table, request, clock, random } = options;
  const { era } = state;
  const change = async (over: AbortSignal) => {
    while (!over.aborted && state.era === era && state.indexOf(table) <= request.index) {
      await new Promise<void>((resolve) => {
        const forget = state.onceChanged(resolve);
        const end = () => {
          forget();
          resolve();
        };
        over.addEventListener('abort', end, { once: true });
      });
    }
  };
  await within(clock, request.waitMs * (1 + random.fraction() / 16), change, options.signal);
}
