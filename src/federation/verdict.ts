import {
  type BundleDiff,
  bundlesEqual,
  contentDigest,
  diffBundles,
  type EndpointProfile,
  type TrustBundle,
} from '../spiffe/index.ts';
import type { ChangePolicy, RejectedOffer } from '../store/index.ts';
import { findForeignKey, type ForeignKeyCode, type Surroundings } from './foreign-key.ts';

/** Why an offered bundle waits for an operator while the held one stays (design, invariant 4). */
export type QuarantineCode =
  | 'all-roots-replaced'
  /** The policy of the relationship is to ask about every key that comes. */
  | 'policy-asks-always'
  | ForeignKeyCode;

/** Why an offered bundle is kept out (design, invariant 3): it is older than what is held, or the operator rejected this very content. */
export type RefusalCode = 'sequence-rolled-back' | 'offer-rejected';

/** Something an operator should know about a bundle that was nevertheless accepted. */
export interface VerdictNote {
  readonly code:
    | 'content-changed-under-same-sequence'
    | 'sequence-appeared'
    | 'sequence-disappeared'
    | 'all-keys-revoked'
    | 'no-x509-roots'
    | 'all-roots-outside-validity'
    | 'all-roots-replaced'
    | 'operator-override';
  readonly message: string;
}

/** What to do with an offered bundle. */
export type Verdict =
  /** Same content. `metadataChanged` says that the sequence or the hint moved: remembered, but no history row (invariant 8). */
  | { readonly kind: 'unchanged'; readonly metadataChanged: boolean }
  | {
      readonly kind: 'accepted';
      readonly diff: BundleDiff;
      readonly notes: readonly VerdictNote[];
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

/** The operator's word, for one judgement, that an objection may be set aside (FED-52). */
export interface Override {
  /** The `contentDigest` of the one offer meant; without it, whatever is offered now. */
  readonly digest?: string;
}

/** Everything `judge` looks at. */
export interface JudgeInput extends Surroundings {
  /** The last good bundle of the trust domain; absent before the first one. */
  readonly held?: TrustBundle | undefined;
  readonly offered: TrustBundle;
  readonly profile: EndpointProfile;
  readonly now: Date;
  /** What waits for the operator beside what always does; default `ask-on-dangerous`. */
  readonly policy?: ChangePolicy | undefined;
  /** The operator's word that this very content is kept out for good. */
  readonly rejected?: Pick<RejectedOffer, 'at' | 'actor' | 'reason'> | undefined;
  readonly override?: Override | undefined;
}

/**
 * Whether an authenticated, well-formed bundle becomes the current one. Pure. By content: equal content is
 * `unchanged`; a lower sequence is refused (FED-48); an equal sequence over other content is adopted and told
 * (FED-50), as are a number that appears or disappears (FED-51); a valid empty bundle is a revocation and is
 * honoured (TDB-04, TDB-05). Over `https_web`, where the held keys had no part in authenticating the offer,
 * roots without any overlap wait for an operator, and so do roots that follow a full revocation: else whoever
 * holds the web server would replace all roots in two steps. A new key, of a root or for JWTs, that is ours or of another trust domain
 * always waits (TDB-42). By policy, `auto` does not ask about replaced roots, and `ask-always` asks about every key that
 * comes; one that only goes is never waited with, for till then it would be trusted. What the operator rejected stays out.
 */
export function judge(input: JudgeInput): Verdict {
  const { held, offered, override } = input;
  if (held && held.trustDomain !== offered.trustDomain)
    throw new TypeError(
      `a bundle of ${offered.trustDomain} cannot be judged against one of ${held.trustDomain}`,
    );

  const objection = objectTo(input);
  const allowed =
    override !== undefined && (override.digest === undefined || override.digest === contentDigest(offered));
  if (objection && !allowed) return objection;

  // After the rollback check: equal content under a lower number is still a counter that ran backwards.
  if (held && bundlesEqual(held, offered) && !objection) {
    const metadataChanged =
      held.sequence !== offered.sequence || held.refreshHintSeconds !== offered.refreshHintSeconds;
    return { kind: 'unchanged', metadataChanged };
  }
  const notes = notesOn(input);
  const diff = diffBundles(held, offered);
  if (!objection) return { kind: 'accepted', diff, notes };
  const told: VerdictNote = {
    code: 'operator-override',
    message: `accepted by the operator although ${objection.message}`,
  };
  return { kind: 'accepted', diff, notes: [told, ...notes], overridden: objection.code };
}

type Objection = Extract<Verdict, { kind: 'quarantined' | 'refused' }>;

function objectTo(input: JudgeInput): Objection | undefined {
  const { held, offered, policy, rejected } = input;
  if (held?.sequence !== undefined && offered.sequence !== undefined && offered.sequence < held.sequence) {
    return {
      kind: 'refused',
      code: 'sequence-rolled-back',
      message: `the endpoint offers sequence ${offered.sequence} of ${offered.trustDomain}, which is older than the held ${held.sequence}`,
    };
  }
  if (held && bundlesEqual(held, offered)) return undefined;
  if (rejected) {
    return {
      kind: 'refused',
      code: 'offer-rejected',
      message: `the endpoint offers what ${rejected.actor} rejected at ${rejected.at.toISOString()}: ${rejected.reason}`,
    };
  }
  const diff = diffBundles(held, offered);
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
  if (policy !== 'auto' && replacesAllRoots(input)) {
    return {
      kind: 'quarantined',
      code: 'all-roots-replaced',
      message: `${replacement(held, offered)}, and only Web PKI vouches for it`,
      diff,
    };
  }
  return undefined;
}

/** Whether whoever holds the web server could have put all these roots there: nothing that is held had a part in it. */
function replacesAllRoots({ held, offered, profile }: JudgeInput): boolean {
  if (!held || profile.kind !== 'https_web' || offered.x509Authorities.length === 0) return false;
  return !sharesAKey(held, offered);
}

function replacement(held: TrustBundle, { trustDomain }: TrustBundle): string {
  const before =
    held.x509Authorities.length === 0 ? 'after a full revocation' : 'without any overlap with the held ones';
  return `the endpoint offers only new roots of ${trustDomain} ${before}`;
}

/** Whether some root's key was held before, under whatever certificate. */
function sharesAKey(held: TrustBundle, offered: TrustBundle): boolean {
  const known = new Set(held.x509Authorities.map(({ keyFingerprint }) => keyFingerprint));
  return offered.x509Authorities.some(({ keyFingerprint }) => known.has(keyFingerprint));
}

function notesOn(input: JudgeInput): VerdictNote[] {
  const { held, offered, now, policy } = input;
  const notes: VerdictNote[] = [];
  if (held && policy === 'auto' && replacesAllRoots(input))
    notes.push({
      code: 'all-roots-replaced',
      message: `${replacement(held, offered)}, which the policy lets through`,
    });
  const name = offered.trustDomain;
  if (held) {
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
