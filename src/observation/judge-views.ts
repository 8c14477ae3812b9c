import type { SeenVersion } from './seen-claims.ts';

/**
 * How two views of one endpoint fail to fit:
 *
 * - `other-content` one number, two contents
 * - `kept-from-us` it went on showing us the old bundle long after it had shown the other a newer
 *   one
 * - `kept-from-peer` the other way round
 */
export type ViewConflictCode = 'other-content' | 'kept-from-us' | 'kept-from-peer';

export interface ViewConflict {
  readonly code: ViewConflictCode;
  readonly ours: SeenVersion;
  readonly theirs: SeenVersion;
}

/** What one agent saw of an endpoint; versions newest first. */
export interface EndpointView {
  readonly versions: readonly SeenVersion[];
  readonly confirmedAt: Date;
}

/** Caches in front of an endpoint, its replicas and our clocks may differ by so much. */
export const VIEW_GRACE_MS = 15 * 60_000;

/**
 * Compares what one endpoint showed to us and to a peer's agent. An honest one shows the same to
 * all: the same number with the same content, and an old bundle not for long. Undefined where the
 * views fit, as far as they can be compared. Pure.
 */
export function judgeViews(ours: EndpointView, theirs: EndpointView): ViewConflict | undefined {
  for (const theirVersion of theirs.versions) {
    const same = ours.versions.filter(
      ({ sequence }) => sequence !== undefined && sequence === theirVersion.sequence,
    );
    const [first] = same;
    if (first && same.every(({ digest }) => digest !== theirVersion.digest))
      return { code: 'other-content', ours: first, theirs: theirVersion };
  }
  const [ourNewest] = ours.versions;
  const [theirNewest] = theirs.versions;
  if (ourNewest?.sequence === undefined || theirNewest?.sequence === undefined) return undefined;
  const pair = { ours: ourNewest, theirs: theirNewest };
  if (isKeptFrom(ourNewest.sequence, ours, theirNewest.sequence, theirNewest))
    return { code: 'kept-from-us', ...pair };
  if (isKeptFrom(theirNewest.sequence, theirs, ourNewest.sequence, ourNewest))
    return { code: 'kept-from-peer', ...pair };
  return undefined;
}

/** Whether an endpoint confirmed the older bundle to one long after another had seen the newer. */
function isKeptFrom(older: bigint, view: EndpointView, newer: bigint, seen: SeenVersion): boolean {
  return older < newer && view.confirmedAt.getTime() - seen.at.getTime() > VIEW_GRACE_MS;
}

/**
 * Two heads of one history, the later one seen later: why the second cannot follow the first;
 * undefined where it may.
 */
export function judgeHeadsInTurn(
  before: { readonly number: number; readonly hash: string; readonly chain: string },
  after: { readonly number: number; readonly hash: string; readonly chain: string },
): string | undefined {
  if (after.chain !== before.chain) return 'it is another history than the one it showed before';
  if (after.number < before.number)
    return `it ends at link ${after.number}, but it showed link ${before.number} before`;
  if (after.number === before.number && after.hash !== before.hash)
    return `link ${after.number} is not the one it showed before`;
  return undefined;
}
