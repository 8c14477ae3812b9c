import type { Clock } from '../../../platform/index.ts';

/** When an endpoint is taken out, and for how long. */
export interface OutlierSettings {
  /** So many failures, one after the other, take an endpoint out. */
  readonly consecutiveFailures: number;
  /** How long it is out the first time; each further time that much longer. */
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
  /** From 0 to 1: the most endpoints that are out at the same time, rounded down. */
  readonly maxEjectedShare: number;
}

/** How a request went. `unknown`: its end says nothing about the endpoint. */
export type Result = 'good' | 'failed' | 'unknown';

interface State {
  failures: number;
  /** How often it was taken out; goes down again while it works. */
  ejections: number;
  /** Set from the ejection until a request has succeeded after it. */
  ejectedUntilMs: number | undefined;
  /** The one request that tries the endpoint after its time. */
  isTrying: boolean;
  returnedMs: number;
}

/**
 * Takes endpoints out that fail again and again. After its time out, an endpoint gets one request at
 * a time: a good one brings it back, a failed one takes it out for longer. Holds one record for each
 * endpoint there is.
 */
export class OutlierDetector {
  readonly #clock: Clock;
  readonly #settings: OutlierSettings;
  readonly #onEjected: (key: string, forMs: number) => void;
  #states = new Map<string, State>();

  constructor(
    clock: Clock,
    settings: OutlierSettings,
    onEjected: (key: string, forMs: number) => void = () => {},
  ) {
    this.#clock = clock;
    this.#settings = settings;
    this.#onEjected = onEjected;
  }

  /** Sets which endpoints there are. Forgets the others. */
  follow(keys: Iterable<string>): void {
    const before = this.#states;
    this.#states = new Map(
      [...keys].map((key) => [
        key,
        before.get(key) ?? {
          failures: 0,
          ejections: 0,
          ejectedUntilMs: undefined,
          isTrying: false,
          returnedMs: this.#clock.monotonicMs(),
        },
      ]),
    );
  }

  /** How many endpoints are out now. */
  get ejected(): number {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#states.values()].filter(({ ejectedUntilMs }) => (ejectedUntilMs ?? 0) > nowMs).length;
  }

  /** Whether the endpoint may get a request now. */
  isUsable(key: string): boolean {
    const state = this.#states.get(key);
    if (state?.ejectedUntilMs === undefined) return true;
    return state.ejectedUntilMs <= this.#clock.monotonicMs() && !state.isTrying;
  }

  /** Notes the start of a request; call what it returns once, at the end of the request. */
  begin(key: string): (result: Result) => void {
    const state = this.#states.get(key);
    if (!state) return () => {};
    const isTrial = state.ejectedUntilMs !== undefined && this.isUsable(key);
    if (isTrial) state.isTrying = true;
    const wasIn = state.ejectedUntilMs === undefined;
    return (result) => {
      if (isTrial) state.isTrying = false;
      // A request from before the ejection ends during it, and says nothing new.
      if (result === 'unknown' || (wasIn && state.ejectedUntilMs !== undefined)) return;
      if (result === 'good') {
        state.failures = 0;
        if (isTrial) this.#bringBack(state);
        return;
      }
      state.failures += 1;
      if (isTrial || state.failures >= this.#settings.consecutiveFailures) this.#eject(key, state);
    };
  }

  #bringBack(state: State): void {
    state.ejectedUntilMs = undefined;
    state.failures = 0;
    state.returnedMs = this.#clock.monotonicMs();
  }

  #eject(key: string, state: State): void {
    const { ejectionMs, maxEjectionMs, maxEjectedShare } = this.#settings;
    const most = Math.floor(maxEjectedShare * this.#states.size);
    if (this.ejected >= most) {
      // Too many are out: it stays in, because a bad endpoint is better than none.
      if (state.ejectedUntilMs !== undefined) this.#bringBack(state);
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    const forgiven =
      state.ejectedUntilMs === undefined ? Math.floor((nowMs - state.returnedMs) / ejectionMs) : 0;
    state.ejections = Math.max(0, state.ejections - forgiven) + 1;
    const forMs = Math.min(maxEjectionMs, ejectionMs * state.ejections);
    state.ejectedUntilMs = nowMs + forMs;
    state.failures = 0;
    this.#onEjected(key, forMs);
  }
}
