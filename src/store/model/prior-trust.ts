import { hash } from 'node:crypto';
import { jwkText, type TrustBundle } from '../../spiffe/index.ts';
import type { NewVersion } from './bundle-version.ts';

const MOST_SEQUENCE = 2n ** 64n - 1n;

/** What a key verifies. X.509 roots and JWT keys are never compared with each other. */
export const KEY_KINDS = ['x509', 'jwt'] as const;
export type KeyKind = (typeof KEY_KINDS)[number];

/** A key of a bundle by its key material, regardless of the certificate or key ID around it. */
export interface KeyName {
  readonly kind: KeyKind;
  /**
   * For a root `keyFingerprint`; for a JWT key the SHA-256 of its JWK with ordered members. 64
   * lower-case hex digits.
   */
  readonly key: string;
}

/** Since when a key of a peer has been held without a gap, and on whose decision. */
export interface HeldKey extends KeyName {
  /**
   * When it was first held. A time during which it was gone does not count and moves this instant
   * on.
   */
  readonly since: Date;
  /** Whether the bootstrap or an operator added it, and not a poll. */
  readonly vouched: boolean;
  /**
   * Present when the bundle no longer has any key of this kind. `known` says whether the key counts
   * as held when it is offered again: yes after an unusable document, no after a revocation.
   */
  readonly gone?: { readonly at: Date; readonly known: boolean };
}

/**
 * The sequence that counts after a version that keeps the held one; `undefined` where there never
 * was a sequence.
 */
export function keptSequence(
  held: bigint | undefined,
  offered: bigint | undefined,
  keeps: 'held' | 'next',
): bigint | undefined {
  const step = keeps === 'next' ? 1n : 0n;
  const next = held === undefined || held === MOST_SEQUENCE ? held : held + step;
  if (next === undefined || offered === undefined) return next ?? offered;
  return next > offered ? next : offered;
}

/** What the next offer of a trust domain is judged by, in addition to the bundle itself. */
export interface PriorTrust {
  /**
   * Since when the keys are held, ordered by kind and key; empty for a trust domain without a
   * relationship.
   */
  readonly keys: readonly HeldKey[];
  /** The sequence that counted when the current content came; absent without one. */
  readonly anchor?: bigint;
  /**
   * The sequence before a leap to the present ones, and when it happened. The owner may still count
   * from there.
   */
  readonly former?: { readonly sequence: bigint; readonly at: Date };
}

/**
 * The former sequence after a version: a leap sets it, a decision of the operator clears it,
 * anything else keeps it.
 */
export function formerAfter(
  before: PriorTrust['former'],
  { receivedAt: at, verdict }: Pick<NewVersion, 'receivedAt' | 'verdict'>,
  leaptFrom: bigint | undefined,
): Pick<PriorTrust, 'former'> {
  if (verdict === 'bootstrap' || verdict === 'operator') return {};
  const former = leaptFrom === undefined ? before : { sequence: leaptFrom, at };
  return former ? { former } : {};
}

/** The keys of a bundle, each once. */
export function keyNamesOf({ x509Authorities, jwtAuthorities }: TrustBundle): KeyName[] {
  const names = new Map<string, KeyName>();
  for (const { keyFingerprint: key } of x509Authorities) names.set(`x509 ${key}`, { kind: 'x509', key });
  for (const { jwk } of jwtAuthorities) {
    const key = hash('sha256', jwkText(jwk), 'hex');
    names.set(`jwt ${key}`, { kind: 'jwt', key });
  }
  return [...names.values()];
}

/**
 * The held keys after a version became current. Pure. A key that is gone is forgotten while others
 * of its kind are there. When the last one of a kind goes, all are kept as gone, because the next
 * keys of that kind replace them all.
 */
export function heldKeysAfter(
  before: readonly HeldKey[],
  { bundle, receivedAt: at, verdict }: Pick<NewVersion, 'bundle' | 'receivedAt' | 'verdict'>,
  unusable: boolean,
): HeldKey[] {
  const byOperator = verdict === 'bootstrap' || verdict === 'operator';
  const names = keyNamesOf(bundle);
  const held = names.map(({ kind, key }): HeldKey => {
    const prior = before.find((each) => each.kind === kind && each.key === key);
    const since = prior ? heldSince(prior, at) : at;
    return { kind, key, since, vouched: byOperator || (prior?.vouched ?? false) };
  });
  const gone = before
    .filter(({ kind }) => !names.some((name) => name.kind === kind))
    .map((key): HeldKey => {
      const known = (byOperator || unusable) && (key.gone?.known ?? true);
      return { ...key, gone: { at: key.gone?.at ?? at, known } };
    });
  return [...held, ...gone];
}

/** Since when a key would have been held if it had not been gone for a while. */
function heldSince({ since, gone }: HeldKey, at: Date): Date {
  return gone ? new Date(since.getTime() + at.getTime() - gone.at.getTime()) : since;
}
