/** How many checks, one after the other, change the state. */
export interface HealthThresholds {
  readonly healthyAfter: number;
  readonly unhealthyAfter: number;
}

/**
 * The state of a workload by its checks. It begins as unhealthy, and the first check decides alone.
 * Pure.
 */
export class HealthState {
  readonly #thresholds: HealthThresholds;
  #problem: string | undefined = 'it was not checked yet';
  #isChecked = false;
  /** Checks that contradict the state, one after the other. */
  #contrary = 0;

  constructor(thresholds: HealthThresholds) {
    this.#thresholds = thresholds;
  }

  /** Why the workload is unhealthy; undefined when it is healthy. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Notes a check: undefined for a good one, else what was wrong. True when the state has changed,
   * and after the first check.
   */
  note(found: string | undefined): boolean {
    const isHealthy = this.#problem === undefined;
    const isFirst = !this.#isChecked;
    this.#isChecked = true;
    if ((found === undefined) === isHealthy) {
      this.#contrary = 0;
      if (!isHealthy) this.#problem = found;
      return isFirst;
    }
    this.#contrary += 1;
    const { healthyAfter, unhealthyAfter } = this.#thresholds;
    const needed = isHealthy ? unhealthyAfter : healthyAfter;
    if (!isFirst && this.#contrary < needed) return false;
    this.#contrary = 0;
    this.#problem = found;
    return true;
  }
}
