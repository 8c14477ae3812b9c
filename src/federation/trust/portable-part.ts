import { readingProblem, type TrustBundle } from '../../spiffe/index.ts';

// Asked for at every verification, for bundles that live for hours.
const known = new WeakMap<TrustBundle, TrustBundle>();

/**
 * A bundle without roots that other programs cannot read. What peers publish is read without them;
 * a store that an earlier version of the agent wrote can still have some, until the next poll. The
 * bundle itself where it has none.
 */
export function portablePart(bundle: TrustBundle): TrustBundle {
  const before = known.get(bundle);
  if (before) return before;
  const x509Authorities = bundle.x509Authorities.filter((root) => readingProblem(root) === undefined);
  const part =
    x509Authorities.length === bundle.x509Authorities.length ? bundle : { ...bundle, x509Authorities };
  known.set(bundle, part);
  return part;
}
