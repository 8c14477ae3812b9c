import type { Endpoint } from './upstream.ts';

/**
 * Chooses the endpoint for one attempt: in turn among those of the lowest priority number that are
 * `usable`. Leaves out `tried` endpoints while another one is left, so that a retry goes elsewhere.
 * Returns undefined where no endpoint is usable. Pure.
 */
export function chooseEndpoint(
  endpoints: readonly Endpoint[],
  how: {
    /** Counts up with each choice. */
    readonly turn: number;
    readonly usable: (endpoint: Endpoint) => boolean;
    readonly tried: (endpoint: Endpoint) => boolean;
  },
): Endpoint | undefined {
  const usable = endpoints.filter(how.usable);
  const untried = usable.filter((endpoint) => !how.tried(endpoint));
  const left = untried.length > 0 ? untried : usable;
  const first = left.reduce((lowest, { priority }) => Math.min(lowest, priority), Infinity);
  const best = left.filter(({ priority }) => priority === first);
  return best[how.turn % best.length];
}
