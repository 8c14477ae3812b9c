import { defined } from '../objects/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { Relationship, Store } from '../store/index.ts';
import type { SeenVersion } from './seen-claims.ts';
import type { EndpointView } from './judge-views.ts';

/**
 * What the endpoint of a peer showed us, newest first: what we accepted, and what it offers and we
 * keep out. A bundle from an operator's file shows nothing about the endpoint. At most `limit`
 * versions of the history are read.
 */
export async function viewOfPeer(
  store: Store,
  { trustDomain, lastSuccessAt, createdAt }: Relationship,
  limit: number,
): Promise<EndpointView> {
  const history = await store.versionMarks(trustDomain, { limit });
  const held = await store.currentMark(trustDomain);
  const taken = history
    .filter(({ origin, receivedAt }) => origin.startsWith('https://') && receivedAt >= createdAt)
    .map(({ digest, sequence, receivedAt }) => seenVersion(digest, sequence, receivedAt));
  // After a poll the endpoint has shown the bundle of a file too. The same content gets new numbers
  // without a new version.
  const [newest] = history;
  const { anchor } = await store.priorTrust(trustDomain);
  // The number that counts may come from elsewhere: a file of the operator, or an address that
  // counts higher.
  const isSeen = held?.sequence !== undefined && anchor !== undefined && held.sequence > anchor;
  const sequence = isSeen ? held.sequence : newest?.sequence;
  const isRenumbered = newest?.sequence !== sequence;
  const shown =
    held && lastSuccessAt && held.receivedAt <= lastSuccessAt
      ? [seenVersion(held.digest, sequence, isRenumbered ? lastSuccessAt : held.receivedAt)]
      : [];
  const incidents = await store.incidents({ trustDomain, open: true, offers: false });
  const offered = incidents.flatMap(({ sequence, offer }) =>
    offer ? [seenVersion(offer.digest, sequence, offer.since)] : [],
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

/** What our own endpoint shows to every client, newest first. */
export async function viewOfOwn(
  store: Store,
  trustDomain: TrustDomain,
  now: Date,
  limit: number,
): Promise<EndpointView> {
  const history = await store.versionMarks(trustDomain, { limit });
  return {
    versions: history.map(({ digest, sequence, receivedAt }) => seenVersion(digest, sequence, receivedAt)),
    confirmedAt: now,
  };
}

function seenVersion(digest: string, sequence: bigint | undefined, at: Date): SeenVersion {
  return { digest, at, ...defined({ sequence }) };
}

function newestFirst(a: SeenVersion, b: SeenVersion): number {
  const [one, other] = [a.sequence ?? -1n, b.sequence ?? -1n];
  return one < other ? 1 : one > other ? -1 : b.at.getTime() - a.at.getTime();
}
