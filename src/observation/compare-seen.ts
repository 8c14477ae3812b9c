import { type BundleSource, CodedError, type SpiffeId, type TrustDomain } from '../spiffe/index.ts';
import { proveHead, type Relationship, type Store } from '../store/index.ts';
import { agentOf } from '../federation/index.ts';
import { judgeHeadsInTurn, judgeViews, type ViewConflict } from './judge-views.ts';
import { viewOfOwn, viewOfPeer } from './own-view.ts';
import type { ConflictRecord } from './record-conflict.ts';
import {
  type Seen,
  type SeenBundle,
  type SeenVersion,
  type ShownHead,
  trustDomainHash,
} from './seen-claims.ts';

/** What comparing takes. */
export interface CompareParts {
  readonly store: Store;
  readonly ownTrustDomain: TrustDomain;
  readonly relationships: () => readonly Relationship[];
  readonly bundles: BundleSource;
  readonly record: ConflictRecord;
  readonly now: Date;
}

/** How far back our own view is looked up. */
const OUR_VERSIONS = 50;

/**
 * Compares what a peer's agent reports to have seen with what we saw and published. Rejects with
 * `StoreError`.
 */
export async function compareSeen(parts: CompareParts, reporter: Relationship, seen: Seen): Promise<void> {
  const { ownTrustDomain, relationships } = parts;
  const byHash = new Map(seen.bundles.map((bundle) => [bundle.subject, bundle]));
  const own = byHash.get(trustDomainHash(ownTrustDomain));
  if (own) await compareOwn(parts, reporter.trustDomain, own);
  for (const relationship of relationships()) {
    const theirs = byHash.get(trustDomainHash(relationship.trustDomain));
    if (theirs) await comparePeer(parts, reporter.trustDomain, relationship, theirs);
  }
  if (seen.head) await keepHead(parts, reporter, seen.head);
  if (seen.yourHead) await checkOwnHistory(parts, reporter.trustDomain, seen.yourHead);
}

/**
 * Compares what a peer holds from us, or was shown, with what we published. A bundle that we never
 * published was made by another party. A bundle from before our history began is not judged.
 */
export async function compareOwn(
  { store, ownTrustDomain: subject, record, now }: Omit<CompareParts, 'relationships' | 'bundles'>,
  observer: TrustDomain,
  { versions, confirmedAt }: Pick<SeenBundle, 'versions' | 'confirmedAt'>,
): Promise<void> {
  const ours = await viewOfOwn(store, subject, now, OUR_VERSIONS);
  const begun = await beginOf(store, subject);
  if (!begun) return;
  for (const version of versions) {
    if (version.at < begun || (await store.everHeld(subject, version.digest))) continue;
    await record.report({
      code: 'never-published',
      subject,
      observer,
      message: `the agent of ${observer} was shown a bundle of ${subject} that we never published: ${describe(version)}; an attacker answers in our name, or an operator there put it in by hand`,
    });
    return;
  }
  const conflict = judgeViews(ours, { versions, confirmedAt });
  await settle(record, subject, observer, conflict);
}

async function comparePeer(
  { store, record }: CompareParts,
  observer: TrustDomain,
  relationship: Relationship,
  theirs: SeenBundle,
): Promise<void> {
  const { trustDomain: subject } = relationship;
  const ours = await viewOfPeer(store, relationship, OUR_VERSIONS);
  const conflict = judgeViews(ours, theirs);
  await settle(record, subject, observer, conflict);
}

/** Reports that two views conflict, or that they no longer do. */
async function settle(
  record: ConflictRecord,
  subject: TrustDomain,
  observer: TrustDomain,
  conflict: ViewConflict | undefined,
): Promise<void> {
  if (conflict)
    await record.report({
      code: conflict.code,
      subject,
      observer,
      message: sentence(subject, observer, conflict),
    });
  else await record.fits(subject, observer, 'equivocation');
}

/**
 * Keeps the head that a peer shows of its own history, unless we have it. Reports a head that takes
 * an earlier one back.
 */
async function keepHead(
  { store, bundles, record, now }: CompareParts,
  reporter: Relationship,
  head: ShownHead,
): Promise<void> {
  const { trustDomain } = reporter;
  const signer = agentOf(reporter);
  const proven = signer && (await proofOf(head, bundles, signer));
  if (!proven || !signer) return;
  const [before] = await store.peerHeads(trustDomain, { limit: 1 });
  if (before?.statement === head.statement) return;
  const why = before && judgeHeadsInTurn(before, proven);
  const { number, hash, chain } = proven;
  await store.recordPeerHead({
    trustDomain,
    seenAt: now,
    at: proven.statement.issuedAt,
    number,
    hash,
    chain,
    signer,
    statement: head.statement,
  });
  if (why === undefined) await record.fits(trustDomain, trustDomain, 'history-doctored');
  else
    await record.report({
      code: 'history-taken-back',
      subject: trustDomain,
      observer: trustDomain,
      message: `the agent of ${trustDomain} shows a history that takes back what it signed: ${why}; its store was doctored, restored or replaced`,
    });
}

/** A peer gives us back a head that we signed: our history must still hold it. */
async function checkOwnHistory(
  { store, ownTrustDomain: subject, record }: CompareParts,
  observer: TrustDomain,
  head: ShownHead,
): Promise<void> {
  // Only what we really signed counts, or any peer could cry wolf.
  const proven = await proveOwn(store, subject, head);
  if (!proven) return;
  const { number, hash, chain } = proven;
  const [link] = await store.chainLinks({ after: number - 1, limit: 1 });
  const [first] = await store.chainLinks({ limit: 1 });
  if (link?.number === number && link.hash === hash && first?.hash === chain) {
    await record.fits(subject, observer, 'history-doctored');
    return;
  }
  const what =
    first?.hash === chain
      ? link
        ? `link ${number} is another now`
        : `it ends before link ${number}`
      : 'it is another history now';
  await record.report({
    code: 'own-history-doctored',
    subject,
    observer,
    message: `our own history is not the one that we signed at ${proven.statement.issuedAt.toISOString()}, which the agent of ${observer} kept: ${what}; the store was doctored, restored or replaced`,
  });
}

async function beginOf(store: Store, trustDomain: TrustDomain): Promise<Date | undefined> {
  const [first] = await store.versionMarks(trustDomain, { limit: 1, before: 2 });
  return first?.receivedAt;
}

async function proveOwn(store: Store, own: TrustDomain, head: ShownHead) {
  const then = await store.bundleAt(own, head.at);
  const now = await store.current(own);
  for (const version of [then, now]) {
    const bundle = version?.bundle;
    const source = { bundleFor: (name: TrustDomain) => (name === own ? bundle : undefined) };
    const proven = bundle && (await proofOf(head, source));
    if (proven) return proven;
  }
  return undefined;
}

async function proofOf(head: ShownHead, bundles: BundleSource, signer?: SpiffeId) {
  try {
    const proven = await proveHead(head.statement, bundles, head.at);
    return signer === undefined || proven.statement.signer.id === signer ? proven : undefined;
  } catch (error) {
    // A statement that is not proved does not count.
    if (error instanceof CodedError) return undefined;
    throw error;
  }
}

function sentence(subject: TrustDomain, observer: TrustDomain, { code, ours, theirs }: ViewConflict): string {
  const views = `we saw ${describe(ours)}, the agent of ${observer} saw ${describe(theirs)}`;
  if (code === 'other-content')
    return `the endpoint of ${subject} shows different bundles under one number: ${views}`;
  const whom = code === 'kept-from-us' ? 'us' : observer;
  return `the endpoint of ${subject} keeps its newest bundle from ${whom}: ${views}`;
}

function describe({ digest, sequence, at }: SeenVersion): string {
  return `sequence ${sequence ?? '-'} with content sha256:${digest} at ${at.toISOString()}`;
}
