import { formatDurationMs } from '../platform/index.ts';
import type { X509Authority } from '../spiffe/index.ts';

const LONGEST_LEAD_MS = 7 * 24 * 3_600_000;
/**
 * A CA that lives for a day is followed by the next one within hours, so seven days would warn for
 * ever.
 */
const SHARE_OF_LIFE = 5;

/** The state of the last root to end among some roots. */
export interface RootsEnd {
  readonly ended: boolean;
  /** When the warning began. */
  readonly since: Date;
  /** Of the root that ends last. */
  readonly at: Date;
  readonly label: string;
}

/**
 * Whether the end of these roots is near: seven days before the last one ends, or a fifth of its
 * life where that is shorter. Undefined while another root lasts longer, and where there is none.
 * Pure.
 */
export function endOfRoots(roots: readonly X509Authority[], now: Date): RootsEnd | undefined {
  const [first, ...others] = roots;
  if (!first) return undefined;
  const last = others.reduce((latest, each) => (each.notAfter > latest.notAfter ? each : latest), first);
  const end = last.notAfter.getTime();
  const leadMs = Math.min(LONGEST_LEAD_MS, (end - last.notBefore.getTime()) / SHARE_OF_LIFE);
  const ended = end <= now.getTime();
  const since = ended ? last.notAfter : new Date(end - leadMs);
  if (since > now) return undefined;
  return { ended, since, at: last.notAfter, label: labelOf(last) };
}

/** Describes an end that is near: its time, and how long until then. */
export function whenText({ at }: RootsEnd, now: Date): string {
  return `at ${at.toISOString()}, in ${formatDurationMs(at.getTime() - now.getTime())}`;
}

/** A root as people recognise it: six digits of its fingerprint, and its subject. */
export function labelOf({ fingerprint, subject }: X509Authority): string {
  return `${fingerprint.slice(0, 6)} ${subject}`.trimEnd();
}
