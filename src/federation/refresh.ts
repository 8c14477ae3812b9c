import type { PeerVerifier } from '../mtls/index.ts';
import type { Clock, Log, Random } from '../platform/index.ts';
import {
  BundleError,
  type BundleLimits,
  type BundleNote,
  type BundleSource,
  contentDigest,
  parseBundle,
  type TrustBundle,
  type TrustDomain,
} from '../spiffe/index.ts';
import type { Relationship, Store } from '../store/index.ts';
import { FetchError, type FetchTrace } from './errors.ts';
import { fetchBundle } from './fetch-bundle.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { provedBy, recordFetch } from './fetch-record.ts';
import type { HeldBundles } from './held-bundles.ts';
import type { RedirectSettings } from './redirects.ts';
import { missingEndpointTrust } from './serving.ts';
import { judge, type Override, type Verdict, type VerdictNote } from './verdict.ts';

/** What a poll needs from its surroundings. */
export interface RefreshParts {
  readonly store: Store;
  readonly held: HeldBundles;
  /** The bundles that endpoints are verified with: the held ones and our own. */
  readonly endpointBundles: BundleSource;
  readonly verifier: PeerVerifier;
  readonly own: () => TrustBundle | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly fetchLimits: FetchLimits;
  readonly bundleLimits: BundleLimits;
  readonly redirects: RedirectSettings;
}

/** The tag of a document that stood for `bundle`, worth sending only while that is the bundle held. */
export interface RememberedTag {
  readonly tag: string;
  readonly bundle: TrustBundle;
}

/** What one poll led to. */
export type RefreshOutcome =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'accepted';
      readonly versionNumber: number;
      readonly added: number;
      readonly removed: number;
      readonly notes: readonly VerdictNote[];
      /** Entries of the document that were passed over, and why. */
      readonly ignored: readonly BundleNote[];
      readonly overridden?: string;
    }
  | { readonly kind: 'quarantined' | 'refused' | 'failed'; readonly code: string; readonly message: string }
  /** The relationship ended, or the agent stops: nothing was changed. */
  | { readonly kind: 'called-off' };

/** An outcome with what the incident log wants to know of it. */
export interface Refreshed {
  readonly outcome: RefreshOutcome;
  readonly tag?: RememberedTag;
  readonly offered?: TrustBundle;
  readonly incident?: 'endpoint-unreachable' | 'bundle-refused' | 'bundle-quarantined';
}

/** On whose word an objection may be set aside this once, for the record. */
export interface OperatorOverride extends Override {
  readonly actor: string;
  readonly reason: string;
}

/** Somebody who writes the same trust domain again and again does not keep us busy for ever. */
const MAX_ATTEMPTS_TO_WRITE = 3;

/**
 * One poll of one peer: fetch → parse → judge → store in one transaction → memory → listeners. Whatever goes wrong on the
 * way leaves the last good bundle (design, invariant 2). Leaves one log record. Rejects with `StoreError` only.
 */
export async function refreshOnce(
  parts: RefreshParts,
  relationship: Relationship,
  options: {
    readonly tag?: RememberedTag | undefined;
    readonly override?: OperatorOverride | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Refreshed> {
  const { held, clock, log } = parts;
  const { trustDomain, endpointUrl, profile } = relationship;
  const record = (trace: FetchTrace | undefined, result: Refreshed, error?: unknown): Refreshed => {
    const { outcome } = result;
    recordFetch(log, {
      trustDomain,
      endpointUrl,
      profile,
      trace,
      error,
      outcome: outcome.kind,
      code: 'code' in outcome ? outcome.code : undefined,
      sequence: result.offered?.sequence,
    });
    return result;
  };

  const missing = missingEndpointTrust(profile, parts.endpointBundles, clock.now());
  if (missing !== undefined) {
    return record(undefined, failed('endpoint-bundle-missing', missing, 'endpoint-unreachable'));
  }
  const etag = options.tag && options.tag.bundle === held.bundleFor(trustDomain) ? options.tag : undefined;
  let trace: FetchTrace | undefined;
  let offered: TrustBundle | undefined;
  try {
    const fetched = await fetchBundle({
      trustDomain,
      endpointUrl,
      profile,
      clock,
      webPkiCaPem: relationship.webPkiCaPem,
      verifier: parts.verifier,
      etag: etag?.tag,
      limits: parts.fetchLimits,
      redirects: parts.redirects,
      signal: options.signal,
    });
    trace = fetched.trace;
    if (fetched.kind === 'not-modified') {
      return record(trace, {
        outcome: { kind: 'unchanged' },
        ...(etag ? { tag: etag, offered: etag.bundle } : {}),
      });
    }
    const parsed = parseBundle(trustDomain, fetched.body, parts.bundleLimits);
    offered = parsed.bundle;
    const result = await settle(parts, relationship, { ...parsed, trace, ...options });
    const { kind } = result.outcome;
    const bundle = held.bundleFor(trustDomain);
    const keeps =
      fetched.etag !== undefined && bundle !== undefined && (kind === 'unchanged' || kind === 'accepted');
    return record(trace, { ...result, offered, ...(keeps ? { tag: { tag: fetched.etag, bundle } } : {}) });
  } catch (error) {
    if (error instanceof FetchError) {
      if (error.code === 'called-off') return record(error.trace, { outcome: { kind: 'called-off' } });
      return record(error.trace, failed(error.code, error.message, 'endpoint-unreachable'), error);
    }
    if (error instanceof BundleError)
      return record(trace, failed(error.code, error.message, 'bundle-refused'), error);
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    recordFetch(log, {
      trustDomain,
      endpointUrl,
      profile,
      trace,
      error,
      code,
      outcome: 'failed',
      sequence: offered?.sequence,
    });
    throw error;
  }
}

function failed(code: string, message: string, incident: NonNullable<Refreshed['incident']>): Refreshed {
  return { outcome: { kind: 'failed', code, message }, incident };
}

interface Offer {
  readonly bundle: TrustBundle;
  readonly notes: readonly BundleNote[];
  readonly trace: FetchTrace;
  readonly override?: OperatorOverride | undefined;
  readonly signal: AbortSignal;
}

/** Judges an offer against what is held and, where it is accepted, writes it; again when somebody else wrote meanwhile. */
async function settle(parts: RefreshParts, relationship: Relationship, offer: Offer): Promise<Refreshed> {
  const { store, held } = parts;
  const { trustDomain } = relationship;
  for (let attempt = 0; attempt < MAX_ATTEMPTS_TO_WRITE; attempt += 1) {
    // A late answer of a relationship that was removed meanwhile is dropped (FED-59).
    if (offer.signal.aborted) return { outcome: { kind: 'called-off' } };
    const before = held.bundleFor(trustDomain);
    const verdict = judgeOffer(parts, relationship, offer, before);
    switch (verdict.kind) {
      case 'unchanged':
        if (before && verdict.metadataChanged) await rememberMetadata(parts, before, offer.bundle);
        return { outcome: { kind: 'unchanged' } };
      case 'quarantined':
        return { outcome: pick(verdict), incident: 'bundle-quarantined' };
      case 'refused':
        return { outcome: pick(verdict), incident: 'bundle-refused' };
      case 'accepted': {
        const written = await write(parts, relationship, offer, before, verdict);
        if (written) return written;
        const current = await store.current(trustDomain);
        if (current) held.replace(current.bundle);
        else if (!(await store.relationship(trustDomain))) return { outcome: { kind: 'called-off' } };
      }
    }
  }
  return failed(
    'store-conflict',
    `the bundle of ${trustDomain} was changed by somebody else again and again`,
    'bundle-refused',
  );
}

function pick({ kind, code, message }: Extract<Verdict, { code: string }>): RefreshOutcome {
  return { kind, code, message };
}

function judgeOffer(
  { own, held, clock }: RefreshParts,
  { profile }: Relationship,
  { bundle, override }: Offer,
  before: TrustBundle | undefined,
): Verdict {
  const now = clock.now();
  return judge({ held: before, offered: bundle, profile, own: own(), others: held.list(), now, override });
}

/**
 * The keys are the same and the number or the hint moved: the number counts from now on, so that going back behind it
 * is seen (invariant 3), and the history is left alone (invariant 8). A number that is gone is not forgotten.
 */
async function rememberMetadata(
  { store, held, clock }: RefreshParts,
  before: TrustBundle,
  offered: TrustBundle,
): Promise<void> {
  const sequence = offered.sequence ?? before.sequence;
  if (offered.sequence !== undefined && offered.sequence !== before.sequence)
    await store.noteUnchanged(offered.trustDomain, clock.now(), { sequence: offered.sequence });
  held.remember(sequence === undefined ? offered : { ...offered, sequence });
}

/** One transaction, then memory, then the listeners; undefined when somebody was faster. */
async function write(
  { store, held, clock }: RefreshParts,
  { trustDomain, endpointUrl }: Relationship,
  { bundle, notes: ignored, trace, override }: Offer,
  before: TrustBundle | undefined,
  { diff, notes, overridden }: Extract<Verdict, { kind: 'accepted' }>,
): Promise<Refreshed | undefined> {
  const at = clock.now();
  const proof = provedBy(trace);
  const added = diff.addedX509.length + diff.addedJwt.length;
  const removed = diff.removedX509.length + diff.removedJwt.length;
  const byOperator = overridden !== undefined && override !== undefined;
  const written = await store.replaceCurrent({
    trustDomain,
    expectedDigest: before ? contentDigest(before) : null,
    version: {
      bundle,
      receivedAt: at,
      verdict: byOperator ? 'operator' : 'accepted',
      origin: trace.redirects.at(-1) ?? endpointUrl,
      ...(proof === undefined ? {} : { provedBy: proof }),
    },
    event: {
      at,
      trustDomain,
      kind: byOperator ? 'operator-override' : 'bundle-accepted',
      actor: byOperator ? override.actor : 'agent',
      ...(byOperator ? { code: overridden } : notes[0] ? { code: notes[0].code } : {}),
      message: byOperator
        ? `the operator let in a bundle of ${trustDomain} that was kept out: ${override.reason}`
        : `a new bundle of ${trustDomain}: ${added} added, ${removed} removed`,
      detail: {
        added,
        removed,
        notes: notes.map(({ message }) => message),
        ignored: ignored.map(({ message }) => message),
      },
    },
  });
  if (written === 'conflict') return undefined;
  held.replace(bundle);
  const told = overridden === undefined ? {} : { overridden };
  return {
    outcome: { kind: 'accepted', versionNumber: written.number, added, removed, notes, ignored, ...told },
  };
}

/** The name of the trust domain a result belongs to, and what came of the poll. */
export interface RefreshResult {
  readonly trustDomain: TrustDomain;
  readonly outcome: RefreshOutcome;
}
