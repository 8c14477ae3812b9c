import { defined } from '../../objects/index.ts';
import {
  type BundleNote,
  bundlesEqual,
  contentDigest,
  serializeBundle,
  type TrustBundle,
} from '../../spiffe/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { Relationship, Store } from '../../store/index.ts';
import type { ChangeBudget } from './change-budget.ts';
import type { FetchTrace } from '../fetch/errors.ts';
import { provedBy } from '../fetch/fetch-record.ts';
import { DEFAULT_OVERLAP_LEAD_MS, overlapLeadMs } from '../trust/judge-overlap.ts';
import { failedPoll, type Refreshed, type RefreshOutcome } from './refresh-outcome.ts';
import type { AddressNumbers } from './address-numbers.ts';
import type { HeldBundles } from '../trust/held-bundles.ts';
import type { TrustedBundles } from '../trust/trusted-bundles.ts';
import type { ScheduleSettings } from '../fetch/schedule.ts';
import { hasUnusableEntries, whyUnusable } from '../trust/unusable-document.ts';
import { judge, type Override, type Verdict } from '../trust/verdict.ts';

/** The operator whose request sets an objection aside this once, for the record. */
export interface OperatorOverride extends Override {
  readonly actor: string;
  readonly reason: string;
}

/** What judging and writing an offer takes. */
export interface SettleParts {
  readonly store: Store;
  readonly held: HeldBundles;
  /** The part of the held bundles that counts. */
  readonly trusted: TrustedBundles;
  readonly own: () => TrustBundle | undefined;
  readonly clock: Clock;
  readonly schedule: ScheduleSettings;
  /** How long a key is held before it counts as an overlap over `https_web`; default a day. */
  readonly overlapLeadMs?: number | undefined;
  /** How each address of an endpoint numbers its content. */
  readonly addressNumbers: AddressNumbers;
}

/**
 * Limits the attempts, so that another writer of the same trust domain cannot keep us busy for
 * ever.
 */
const MAX_ATTEMPTS_TO_WRITE = 3;

/** A document of the endpoint, parsed. */
export interface Offer {
  readonly bundle: TrustBundle;
  readonly notes: readonly BundleNote[];
  readonly trace: FetchTrace;
  readonly override?: OperatorOverride | undefined;
  /** How often this peer may change; absent: without a limit. */
  readonly budget?: ChangeBudget | undefined;
  readonly signal: AbortSignal;
}

/**
 * Judges an offer against what is held and, where it is accepted, writes it: one transaction, then
 * memory, then the listeners. Starts again when another writer changed the trust domain meanwhile.
 * Rejects with `StoreError`.
 */
export async function settleOffer(
  parts: SettleParts,
  relationship: Relationship,
  offer: Offer,
): Promise<Refreshed> {
  const { store, held } = parts;
  const { trustDomain } = relationship;
  for (let attempt = 0; attempt < MAX_ATTEMPTS_TO_WRITE; attempt += 1) {
    // Drops a late answer of a relationship that has been removed (FED-59).
    if (offer.signal.aborted) return { outcome: { kind: 'called-off' } };
    const before = held.bundleFor(trustDomain);
    const verdict = await judgeOffer(parts, relationship, offer, before);
    switch (verdict.kind) {
      case 'unchanged':
        if (before && verdict.metadataChanged) await rememberMetadata(parts, before, offer, verdict);
        noteNumber(parts, relationship, offer);
        return { outcome: { kind: 'unchanged' }, ...oddities(offer, verdict) };
      case 'quarantined':
        return { outcome: pick(verdict), incident: 'bundle-quarantined' };
      case 'refused':
        return { outcome: pick(verdict), incident: 'bundle-refused' };
      case 'accepted': {
        const change = { diff: verdict.diff, bytes: serializeBundle(offer.bundle).length };
        // The operator's own request is carried out at once.
        const waitMs = offer.override ? 0 : (offer.budget?.waitMs(change) ?? 0);
        if (waitMs > 0) return flapping(offer, waitMs);
        const written = await write(parts, relationship, offer, before, verdict);
        if (written) {
          offer.budget?.spend(change);
          noteNumber(parts, relationship, offer);
          return { ...written, ...oddities(offer) };
        }
        const current = await store.current(trustDomain);
        if (offer.signal.aborted) continue;
        if (current) held.replace(current.bundle);
        else if (!(await store.relationship(trustDomain))) return { outcome: { kind: 'called-off' } };
      }
    }
  }
  return failedPoll(
    'store-conflict',
    `the bundle of ${trustDomain} was changed by another writer at each attempt`,
    'bundle-refused',
  );
}

function flapping({ bundle, budget }: Offer, waitMs: number): Refreshed {
  const message = budget?.describe(bundle.trustDomain) ?? '';
  return { outcome: { kind: 'flapping', code: 'peer-flapping', message, waitMs }, incident: 'peer-flapping' };
}

/**
 * What an operator should look at although the document counts: none of it can be used, or its
 * number is beyond reason.
 */
function oddities(
  offer: Offer,
  { jump }: Pick<Extract<Verdict, { kind: 'unchanged' }>, 'jump'> = {},
): Pick<Refreshed, 'incident' | 'reason'> {
  const unusable = whyUnusable(offer);
  if (unusable) return { incident: 'bundle-unusable', reason: unusable };
  return jump ? { incident: 'sequence-jumped', reason: { code: jump.code, message: jump.message } } : {};
}

function noteNumber(
  { addressNumbers }: SettleParts,
  { trustDomain, endpointUrl }: Relationship,
  { bundle, signal }: Offer,
): void {
  const { sequence } = bundle;
  if (sequence !== undefined && !signal.aborted)
    addressNumbers.note(trustDomain, endpointUrl, { digest: contentDigest(bundle), sequence });
}

function pick({ kind, code, message }: Extract<Verdict, { code: string }>): RefreshOutcome {
  return { kind, code, message };
}

async function judgeOffer(
  parts: SettleParts,
  { trustDomain, endpointUrl, profile, policy, createdAt }: Relationship,
  { bundle, override }: Offer,
  before: TrustBundle | undefined,
): Promise<Verdict> {
  const { store, own, held, trusted, clock, addressNumbers, schedule } = parts;
  const rejection = await store.rejection(trustDomain, contentDigest(bundle));
  // A relationship that was made again begins from nothing (FED-60).
  const rejected = rejection && rejection.at >= createdAt ? rejection : undefined;
  const now = clock.now();
  const surroundings = { own: own(), others: held.list(), distrusted: trusted.distrusted() };
  const isSame = before && bundlesEqual(before, bundle) && before.sequence === bundle.sequence;
  const prior = before && !isSame ? await store.priorTrust(trustDomain) : undefined;
  const { overlapLeadMs: leadMs = DEFAULT_OVERLAP_LEAD_MS } = parts;
  return judge({
    ...surroundings,
    held: before,
    offered: bundle,
    profile,
    now,
    policy,
    rejected,
    override,
    prior,
    overlapLeadMs: overlapLeadMs(leadMs, before?.refreshHintSeconds, schedule),
    heldNumberHere: before && addressNumbers.numberOf(trustDomain, endpointUrl, contentDigest(before)),
  });
}

/**
 * Handles an offer with the same keys where the number or the hint moved. The number counts from
 * now on, so that a lower one is noticed later (invariant 3). The history stays as it is (invariant
 * 8). A number that is missing does not delete the held one; a number that is lower or jumps is not
 * stored.
 */
async function rememberMetadata(
  { store, held, clock }: SettleParts,
  before: TrustBundle,
  { bundle: offered, signal }: Pick<Offer, 'bundle' | 'signal'>,
  { leavesSequence }: Pick<Extract<Verdict, { kind: 'unchanged' }>, 'leavesSequence'>,
): Promise<void> {
  const sequence = leavesSequence ? before.sequence : (offered.sequence ?? before.sequence);
  if (sequence !== undefined && sequence !== before.sequence)
    await store.noteUnchanged(offered.trustDomain, clock.now(), { sequence });
  // The relationship may have been removed during the poll, and must not come back.
  if (signal.aborted) return;
  const { sequence: _, ...unnumbered } = offered;
  held.remember(sequence === undefined ? unnumbered : { ...unnumbered, sequence });
}

/**
 * Writes in one transaction, then memory, then the listeners; undefined if another writer was
 * faster.
 */
async function write(
  { store, held, clock }: SettleParts,
  { trustDomain, endpointUrl }: Relationship,
  { bundle, notes: ignored, trace, override, signal }: Offer,
  before: TrustBundle | undefined,
  { diff, notes, overridden, leavesSequence, leaptFrom }: Extract<Verdict, { kind: 'accepted' }>,
): Promise<Refreshed | undefined> {
  const at = clock.now();
  const proof = provedBy(trace);
  const added = diff.addedX509.length + diff.addedJwt.length;
  const removed = diff.removedX509.length + diff.removedJwt.length;
  // A number that is not the one that counts is not kept with the content: others compare numbers.
  const { sequence: _, ...unnumbered } = bundle;
  const byOperator = overridden !== undefined && override !== undefined;
  const written = await store.replaceCurrent({
    trustDomain,
    expectedDigest: before ? contentDigest(before) : null,
    ...(leavesSequence ? { keepsSequence: 'next' as const } : {}),
    ...defined({ leaptFrom }),
    ...(hasUnusableEntries({ notes: ignored }) ? { unusable: true } : {}),
    version: {
      bundle: leavesSequence ? unnumbered : bundle,
      receivedAt: at,
      verdict: byOperator ? 'operator' : 'accepted',
      origin: trace.redirects.at(-1) ?? endpointUrl,
      ...defined({ provedBy: proof }),
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
  // Removed while it was written: the removal, which comes after it in the store, counts.
  if (signal.aborted) return { outcome: { kind: 'called-off' } };
  held.replace(leavesSequence ? written.bundle : bundle);
  return {
    outcome: {
      kind: 'accepted',
      versionNumber: written.number,
      added,
      removed,
      notes,
      ignored,
      ...defined({ overridden }),
    },
  };
}
