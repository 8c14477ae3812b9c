import type { TrustDomain } from '../../spiffe/index.ts';
import type { Relationship, Store } from '../../store/index.ts';
import type { SeenVersion } from './seen-claims.ts';
import type { EndpointView } from './judge-views.ts';

/**
 * What the endpoint of a peer showed us, newest first: what we took, and what it offers and we keep out. What an operator
 * brought in a file says nothing about the endpoint. At most `limit` versions of the history are looked at.
 */
export async function viewOfPeer(
  store: Store,
  { trustDomain, lastSuccessAt, createdAt }: Relationship,
  limit: number,
): Promise<EndpointView> {
  const history = await store.history(trustDomain, { limit });
  const held = await store.current(trustDomain);
  const taken = history
    .filter(({ origin, receivedAt }) => origin.startsWith('https://') && receivedAt >= createdAt)
    .map(({ digest, bundle, receivedAt }) => seenVersion(digest, bundle.sequence, receivedAt));
  // What came in a file was shown by the endpoint too once it was polled; and content goes on under new numbers without a new version.
  const [newest] = history;
  const isRenumbered = newest?.bundle.sequence !== held?.bundle.sequence;
  const shown =
    held && lastSuccessAt && held.receivedAt <= lastSuccessAt
      ? [seenVersion(held.digest, held.bundle.sequence, isRenumbered ? lastSuccessAt : held.receivedAt)]
      : [];
  const incidents = await store.incidents({ trustDomain, open: true });
  const offered = incidents.flatMap(({ offered: bundle, offer }) =>
    bundle && offer ? [seenVersion(offer.digest, bundle.sequence, offer.since)] : [],
  );
  const versions = [...offered, ...taken, ...shown].sort(newestFirst);
  return {
    versions: versions.filter(
      ({ digest, sequence }, index) =>
        index === versions.findIndex((each) => each.digest === digest && each.sequence === sequence),
    ),
    confirmedAt: lastSuccessAt ?? createdAt,
  };
}

/** What our own endpoint shows to everybody, newest first. */
export async function viewOfOwn(
  store: Store,
  trustDomain: TrustDomain,
  now: Date,
  limit: number,
): Promise<EndpointView> {
  const history = await store.history(trustDomain, { limit });
  return {
    versions: history.map(({ digest, bundle, receivedAt }) =>
      seenVersion(digest, bundle.sequence, receivedAt),
    ),
    confirmedAt: now,
  };
}

function seenVersion(digest: string, sequence: bigint | undefined, at: Date): SeenVersion {
  return { digest, at, ...(sequence === undefined ? {} : { sequence }) };
}

function newestFirst(a: SeenVersion, b: SeenVersion): number {
  const [one, other] = [a.sequence ?? -1n, b.sequence ?? -1n];
  return one < other ? 1 : one > other ? -1 : b.at.getTime() - a.at.getTime();
}
