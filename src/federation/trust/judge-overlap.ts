import { formatDurationMs } from '../../platform/index.ts';
import { isSignedByOwnKey, type TrustBundle } from '../../spiffe/index.ts';
import { type HeldKey, KEY_KINDS, type KeyKind, keyNamesOf } from '../../store/index.ts';
import { withoutKeys } from './without-keys.ts';
import { pollIntervalMs, type ScheduleSettings } from '../fetch/schedule.ts';

/**
 * How long a key is held before it counts as an overlap, unless the config has another value; never
 * less than three refresh hints.
 */
export const DEFAULT_OVERLAP_LEAD_MS = 24 * 60 * 60_000;
const HINTS = 3;

/**
 * Why an offer is taken for a takeover: its keys of one kind are all new, or have not been held for
 * long enough.
 */
export type DisplacementCode = 'all-roots-replaced' | 'all-jwt-keys-replaced';

/** An offer without any key of one kind that was held long enough. */
export interface Displacement {
  readonly code: DisplacementCode;
  readonly message: string;
}

const CODES: Readonly<Record<KeyKind, DisplacementCode>> = {
  x509: 'all-roots-replaced',
  jwt: 'all-jwt-keys-replaced',
};
const NOUNS: Readonly<Record<KeyKind, string>> = { x509: 'root', jwt: 'JWT key' };

/** What overlaps are judged by. */
export interface OverlapTerms {
  readonly leadMs: number;
  readonly now: Date;
  /** The bundle that is held now; its certificates vouch as they are. */
  readonly held: TrustBundle;
  /**
   * Keys of this trust domain that the operator distrusts (`keyFingerprint`): they vouch for
   * nothing.
   */
  readonly distrusted: ReadonlySet<string>;
}

/** How long a key of this peer has to be held before it counts as an overlap. */
export function overlapLeadMs(
  leadMs: number,
  refreshHintSeconds: number | undefined,
  schedule: ScheduleSettings,
): number {
  return Math.max(leadMs, HINTS * pollIntervalMs(refreshHintSeconds, schedule));
}

/**
 * The held keys that `bundle` has as well and that vouch for it: held for the lead time without a
 * gap, or given by the bootstrap or an operator. Pure. A root that has ended or is not valid yet
 * vouches for nothing, and neither does a key that is distrusted.
 */
export function vouchingKeys(
  keys: readonly HeldKey[],
  bundle: TrustBundle,
  { leadMs, now, distrusted, held: current }: OverlapTerms,
): HeldKey[] {
  const counting = withoutFuture(withoutEnded(withoutKeys(bundle, distrusted), now), now);
  const valid = keyNamesOf(withoutBorrowedKeys(counting, current));
  return keys.filter((held) => {
    const { vouched, since, gone } = held;
    if (gone && !gone.known) return false;
    if (!vouched && (gone?.at ?? now).getTime() - since.getTime() < leadMs) return false;
    return valid.some((name) => name.kind === held.kind && name.key === held.key);
  });
}

/**
 * Gives the first kind of key that `offered` has without one that was held for the lead time. Pure.
 * Because a key that was added a moment ago does not count, adding one and dropping the others is
 * judged like replacing them in one step. Keys of the bootstrap and keys that an operator accepted
 * count at once. Keys that went with an unusable document count as held; revoked keys do not. A
 * root that has ended and a key that is distrusted vouch for nothing. The first JWT keys of a trust
 * domain need an overlap of its roots.
 */
export function findDisplacement(
  keys: readonly HeldKey[],
  bundle: TrustBundle,
  { leadMs, now, distrusted, held: current }: OverlapTerms,
): Displacement | undefined {
  const offered = withoutEnded(withoutKeys(bundle, distrusted), now);
  const names = keyNamesOf(offered);
  const vouching = vouchingKeys(keys, bundle, { leadMs, now, distrusted, held: current });
  const overlaps = (kind: KeyKind) => vouching.some((held) => held.kind === kind);
  for (const kind of KEY_KINDS) {
    const isOffered = names.some((name) => name.kind === kind);
    if (!isOffered || overlaps(kind)) continue;
    const held = keys.filter((each) => each.kind === kind);
    if (kind === 'jwt' && held.length === 0 && overlaps('x509')) continue;
    if (kind === 'x509' && held.length === 0 && keys.length > 0)
      return {
        code: CODES[kind],
        message: `the endpoint offers roots of ${offered.trustDomain}, which had none`,
      };
    const young = held.some(({ gone, key }) => !gone && names.some((name) => name.key === key));
    return { code: CODES[kind], message: describe(offered, kind, held, young ? leadMs : undefined) };
  }
  return undefined;
}

function withoutEnded(bundle: TrustBundle, now: Date): TrustBundle {
  return { ...bundle, x509Authorities: bundle.x509Authorities.filter(({ notAfter }) => now <= notAfter) };
}

/**
 * Leaves out roots with another certificate than the held ones that their own key did not sign.
 * Public keys are public, so an attacker can put a held one under another name. That would count as
 * an overlap, and prove none of the owner's SVIDs.
 */
function withoutBorrowedKeys(bundle: TrustBundle, held: TrustBundle): TrustBundle {
  const known = new Set(held.x509Authorities.map(({ fingerprint }) => fingerprint));
  const x509Authorities = bundle.x509Authorities.filter(
    (root) => known.has(root.fingerprint) || isSignedByOwnKey(root),
  );
  return { ...bundle, x509Authorities };
}

function withoutFuture(bundle: TrustBundle, now: Date): TrustBundle {
  return { ...bundle, x509Authorities: bundle.x509Authorities.filter(({ notBefore }) => notBefore <= now) };
}

function describe(
  { trustDomain }: TrustBundle,
  kind: KeyKind,
  held: readonly HeldKey[],
  leadMs: number | undefined,
): string {
  const noun = NOUNS[kind];
  if (leadMs !== undefined)
    return `the endpoint drops every ${noun} of ${trustDomain} that counts as held, and keeps only ones that were held for less than ${formatDurationMs(leadMs)}`;
  if (held.length === 0)
    return `the endpoint offers ${noun}s of ${trustDomain}, of which none was held before`;
  if (held.every(({ gone }) => gone && !gone.known))
    return `the endpoint offers ${noun}s of ${trustDomain} after a full revocation`;
  return `the endpoint offers only new ${noun}s of ${trustDomain} without any overlap with the held ones`;
}
