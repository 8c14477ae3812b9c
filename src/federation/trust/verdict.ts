import {
  type BundleDiff,
  bundlesEqual,
  contentDigest,
  diffBundles,
  type EndpointProfile,
  type TrustBundle,
} from '../../spiffe/index.ts';
import { type ChangePolicy, keyNamesOf, type PriorTrust, type RejectedOffer } from '../../store/index.ts';
import { findForeignKey, type ForeignKeyCode, type Surroundings } from './foreign-key.ts';
import { judgeNumber } from './judge-number.ts';
import { type DisplacementCode, findDisplacement } from './judge-overlap.ts';

/** Why an offered bundle waits for an operator while the held one stays (invariant 4). */
export type QuarantineCode =
  | DisplacementCode
  /**
   * Its number is far above the held one and the time: taken, it would keep everything later out.
   */
  | 'sequence-jumped'
  /** The policy of the relationship is to ask about every key that comes. */
  | 'policy-asks-always'
  | ForeignKeyCode;

/**
 * Why an offered bundle is kept out (invariant 3): it is older than the held one, or the
 * operator rejected this very content.
 */
export type RefusalCode = 'sequence-rolled-back' | 'offer-rejected';

/** Something an operator should know about a bundle that was nevertheless accepted. */
export interface VerdictNote {
  readonly code:
    | 'content-changed-under-same-sequence'
    | 'sequence-appeared'
    | 'sequence-disappeared'
    | 'sequence-jumped'
    | 'removal-under-lower-sequence'
    | 'all-keys-revoked'
    | 'no-x509-roots'
    | 'all-roots-outside-validity'
    | DisplacementCode
    | 'operator-override';
  readonly message: string;
}

/** What to do with an offered bundle. */
export type Verdict =
  /**
   * Same content. `metadataChanged` says that the sequence or the hint moved: remembered, but no
   * history row (invariant 8).
   */
  | {
      readonly kind: 'unchanged';
      readonly metadataChanged: boolean;
      /** The number of the offer is not remembered: it is lower, or it jumps. */
      readonly leavesSequence?: true;
      /** The number is beyond reason, which an operator should know. */
      readonly jump?: VerdictNote;
    }
  | {
      readonly kind: 'accepted';
      readonly diff: BundleDiff;
      readonly notes: readonly VerdictNote[];
      /** The held number stays the one that counts: the offer has a lower one. */
      readonly leavesSequence?: true;
      /** The number from which the offered one is a leap. */
      readonly leaptFrom?: bigint;
      /** The objection that the operator's override set aside. */
      readonly overridden?: QuarantineCode | RefusalCode;
    }
  | {
      readonly kind: 'quarantined';
      readonly code: QuarantineCode;
      readonly message: string;
      readonly diff: BundleDiff;
    }
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly message: string };

/** The operator's consent, for one judgement, to set an objection aside (FED-52). */
export interface Override {
  /** The `contentDigest` of the one offer meant; without it, whatever is offered now. */
  readonly digest?: string;
  /** The sequence that was shown with it: a number that jumps on from there was not meant. */
  readonly shownSequence?: bigint;
}

/** Everything `judge` looks at. */
export interface JudgeInput extends Surroundings {
  /** The last good bundle of the trust domain; absent before the first one. */
  readonly held?: TrustBundle | undefined;
  readonly offered: TrustBundle;
  readonly profile: EndpointProfile;
  readonly now: Date;
  /** What waits for the operator in addition to what always does; default `ask-on-dangerous`. */
  readonly policy?: ChangePolicy | undefined;
  /** The operator's decision to keep this very content out for good. */
  readonly rejected?: Pick<RejectedOffer, 'at' | 'actor' | 'reason'> | undefined;
  readonly override?: Override | undefined;
  /**
   * Since when keys are held, and which number counted at first; absent: all that is held counts.
   */
  readonly prior?: PriorTrust | undefined;
  /** How long a key is held before it counts as an overlap; default 0. */
  readonly overlapLeadMs?: number | undefined;
  /** The number under which this very address gave the held content. */
  readonly heldNumberHere?: bigint | undefined;
}

/**
 * Whether an authenticated, well-formed bundle becomes the current one. Pure.
 *
 * - Equal content is `unchanged`, also under a lower number: a replica or a restored server counts
 *   otherwise. Its number is remembered unless it is lower or jumps.
 * - Other content under a lower number is refused (FED-48), unless it only takes keys away and its
 *   publisher may count lower (`isLateRemoval`). A number beyond reason waits for an operator.
 * - Other content under an equal number is adopted and reported (FED-50), as are a number that
 *   appears or disappears (FED-51).
 * - A valid empty bundle is a revocation and is honoured (TDB-04, TDB-05).
 * - Over `https_web` the held keys have no part in authenticating the offer. There an offer waits
 *   for an operator when none of its roots, or none of its JWT keys, was held for the lead time
 *   (`judge-overlap.ts`).
 * - A new key, of a root or for JWTs, that is ours or of another trust domain always waits
 *   (TDB-42).
 *
 * By policy, `auto` does not ask about replaced keys, and `ask-always` asks about every key that
 * comes. A removal alone never waits for that policy: until it is applied, the removed key would
 * stay trusted. What the operator rejected stays out.
 */
export function judge(input: JudgeInput): Verdict {
  const { held, offered, override } = input;
  if (held && held.trustDomain !== offered.trustDomain)
    throw new TypeError(
      `a bundle of ${offered.trustDomain} cannot be judged against one of ${held.trustDomain}`,
    );

  const objection = objectTo(input);
  if (objection && !sets(override, objection, input)) return objection;

  if (held && bundlesEqual(held, offered)) return unchanged(held, input);
  const notes = notesOn(input);
  const diff = diffBundles(held, offered);
  if (!objection) {
    if (isLower(held, offered)) return { kind: 'accepted', diff, notes, leavesSequence: true };
    const step = stepOf(input);
    const leap = step === 'leap' || step === 'by-clock' ? { leaptFrom: lineBefore(input) } : {};
    return { kind: 'accepted', diff, notes, ...leap };
  }
  const note: VerdictNote = {
    code: 'operator-override',
    message: `accepted by the operator although ${objection.message}`,
  };
  return { kind: 'accepted', diff, notes: [note, ...notes], overridden: objection.code };
}

type Objection = Extract<Verdict, { kind: 'quarantined' | 'refused' }>;

/** Whether the operator's consent covers this offer and this objection. */
function sets(override: Override | undefined, { code }: Objection, { offered, now }: JudgeInput): boolean {
  if (!override) return false;
  const { digest, shownSequence: shown } = override;
  if (digest !== undefined && digest !== contentDigest(offered)) return false;
  if (code !== 'sequence-jumped' || digest === undefined || offered.sequence === undefined) return true;
  return shown !== undefined && judgeNumber(shown, offered.sequence, now) === 'ordinary';
}

function unchanged(held: TrustBundle, input: JudgeInput): Verdict {
  const { offered } = input;
  const step = stepOf(input);
  const leaves = isLower(held, offered) || (step !== 'ordinary' && held.sequence !== offered.sequence);
  const moved = held.sequence !== offered.sequence && !leaves;
  return {
    kind: 'unchanged',
    metadataChanged: moved || held.refreshHintSeconds !== offered.refreshHintSeconds,
    ...(leaves ? { leavesSequence: true } : {}),
    ...(leaves && step === 'beyond-reason'
      ? { jump: { code: 'sequence-jumped', message: `${describeJump(input)}; the number is not remembered` } }
      : {}),
  };
}

function isLower(held: TrustBundle | undefined, offered: TrustBundle): boolean {
  return held?.sequence !== undefined && offered.sequence !== undefined && offered.sequence < held.sequence;
}

/**
 * How the offered number stands to the one that counted when the held content came; a first
 * bundle's number is its own.
 */
function stepOf({ held, offered, prior, now }: JudgeInput) {
  if (!held || offered.sequence === undefined || offered.sequence === held.sequence) return 'ordinary';
  return judgeNumber(prior ? prior.anchor : held.sequence, offered.sequence, now);
}

function describeJump({ held, offered, now }: JudgeInput): string {
  const before = held?.sequence === undefined ? 'no number' : `sequence ${held.sequence}`;
  return `the endpoint jumps from ${before} of ${offered.trustDomain} to ${offered.sequence}, far above it and above the time in seconds, ${Math.floor(now.getTime() / 1000)}`;
}

/** How long the owner of an endpoint may take back a leap that another party made in its name. */
const FORMER_MS = 30 * 24 * 60 * 60_000;

/** The number from which a leap was made: that of an earlier leap, if it was not long ago. */
function lineBefore({ held, prior, now }: JudgeInput): bigint {
  const { former } = prior ?? {};
  if (former && now.getTime() - former.at.getTime() < FORMER_MS) return former.sequence;
  return (prior ? prior.anchor : held?.sequence) ?? 0n;
}

/**
 * Whether an offer under a lower number only takes keys away, and its publisher may count from a
 * number below it. That is the number that this address gave the held content, the one that the
 * content came with, or the one before a leap. Nothing that was published before has such a number.
 * Never for a signed bundle, whose carrier can choose among all that were signed.
 */
function isLateRemoval(input: JudgeInput, diff: BundleDiff): boolean {
  const { held, offered, profile, prior, heldNumberHere } = input;
  if (!held || profile.kind === 'signed_bundle' || diff.addedX509.length + diff.addedJwt.length > 0)
    return false;
  const former = prior?.former ? lineBefore(input) : undefined;
  return [heldNumberHere, prior?.anchor, former].some(
    (line) => line !== undefined && offered.sequence !== undefined && offered.sequence > line,
  );
}

function objectTo(input: JudgeInput): Objection | undefined {
  const { held, offered, policy, rejected } = input;
  if (held && bundlesEqual(held, offered)) return undefined;
  const diff = diffBundles(held, offered);
  if (isLower(held, offered) && !isLateRemoval(input, diff)) {
    return {
      kind: 'refused',
      code: 'sequence-rolled-back',
      message: `the endpoint offers sequence ${offered.sequence} of ${offered.trustDomain}, which is older than the held ${held?.sequence}`,
    };
  }
  if (rejected) {
    return {
      kind: 'refused',
      code: 'offer-rejected',
      message: `the endpoint offers what ${rejected.actor} rejected at ${rejected.at.toISOString()}: ${rejected.reason}`,
    };
  }
  if (stepOf(input) === 'beyond-reason') {
    const message = `${describeJump(input)}: if it were taken, every later change below it would be refused`;
    return { kind: 'quarantined', code: 'sequence-jumped', message, diff };
  }
  const foreign = findForeignKey(held, offered, input);
  if (foreign) return { kind: 'quarantined', ...foreign, diff };
  if (!held) return undefined;
  const added = diff.addedX509.length + diff.addedJwt.length;
  if (policy === 'ask-always' && added > 0) {
    return {
      kind: 'quarantined',
      code: 'policy-asks-always',
      message: `the endpoint offers ${added} new keys of ${offered.trustDomain}, and you want to be asked about every one`,
      diff,
    };
  }
  const displaced = displacementBy(input);
  if (policy !== 'auto' && displaced) {
    const { code, message } = displaced;
    return { kind: 'quarantined', code, message: `${message}, and only Web PKI vouches for it`, diff };
  }
  return undefined;
}

/**
 * Whether the web server alone could have put all these keys there: nothing that was held for long
 * has a part in it.
 */
function displacementBy(input: JudgeInput) {
  const { held, offered, profile, prior, overlapLeadMs: leadMs = 0, now } = input;
  if (!held || profile.kind !== 'https_web') return undefined;
  const keys = prior?.keys ?? keyNamesOf(held).map((name) => ({ ...name, since: now, vouched: true }));
  const distrusted = new Set(
    input.distrusted?.flatMap(({ trustDomain, keyFingerprint }) =>
      trustDomain === offered.trustDomain ? keyFingerprint : [],
    ),
  );
  return findDisplacement(keys, offered, { leadMs, now, distrusted, held });
}

function notesOn(input: JudgeInput): VerdictNote[] {
  const { held, offered, now, policy } = input;
  const notes: VerdictNote[] = [];
  const displaced = policy === 'auto' ? displacementBy(input) : undefined;
  if (displaced)
    notes.push({ code: displaced.code, message: `${displaced.message}, which the policy lets through` });
  const name = offered.trustDomain;
  if (isLower(held, offered))
    notes.push({
      code: 'removal-under-lower-sequence',
      message: `${name} takes keys away under sequence ${offered.sequence}, which is lower than ${held?.sequence}: what it publishes next must be above that`,
    });
  if (held) {
    if (stepOf(input) !== 'ordinary' && !isLower(held, offered))
      notes.push({
        code: 'sequence-jumped',
        message: `${name} jumps from ${held.sequence ?? 'no number'} to sequence ${offered.sequence}`,
      });
    if (held.sequence !== undefined && held.sequence === offered.sequence)
      notes.push({
        code: 'content-changed-under-same-sequence',
        message: `${name} changed its bundle and kept sequence ${held.sequence}`,
      });
    if (held.sequence === undefined && offered.sequence !== undefined)
      notes.push({
        code: 'sequence-appeared',
        message: `${name} now numbers its bundles, from ${offered.sequence}`,
      });
    if (held.sequence !== undefined && offered.sequence === undefined)
      notes.push({
        code: 'sequence-disappeared',
        message: `${name} no longer numbers its bundles, the last number was ${held.sequence}`,
      });
  }
  const roots = offered.x509Authorities;
  if (roots.length === 0 && offered.jwtAuthorities.length === 0)
    notes.push({
      code: 'all-keys-revoked',
      message: `${name} offers no usable keys: every identity of it is refused`,
    });
  else if (roots.length === 0)
    notes.push({
      code: 'no-x509-roots',
      message: `${name} offers no X.509 root: every X509-SVID of it is refused`,
    });
  else if (!roots.some((root) => root.notBefore <= now && now <= root.notAfter))
    notes.push({
      code: 'all-roots-outside-validity',
      message: `no root of ${name} is valid at ${now.toISOString()}: every X509-SVID of it is refused`,
    });
  return notes;
}
