import { formatDurationMs } from '../platform/index.ts';
import { readingProblem } from '../spiffe/index.ts';
import type { OwnRoot, RotationTimes } from './rotation-view.ts';

export type PlanCode =
  /** The CA lives too short for the refresh hint: no root can be published early enough. */
  | 'hint-too-long'
  /** It can work, but with less than the advised lead. */
  | 'hint-long'
  /** What a CA signs may live longer than the CA can be published after it stopped signing. */
  | 'identities-outlive-root'
  /** A root nears its end and no root after it is published. */
  | 'root-ends'
  /**
   * A root of ours that programs of peers cannot read, so that they refuse the whole bundle or
   * leave the root out.
   */
  | 'root-not-portable'
  /** The agent's own SVID is not proven by the bundle that we publish. */
  | 'own-svid-unproven'
  /** Some pollers take less than a minute for a minute, or do not look at the hint at all. */
  | 'hint-below-a-minute';

/** Something about lifetimes, hints and lead times that does not fit together. */
export interface PlanFinding {
  /** `impossible`: identities will be refused at peers; `risky`: they may be; `note`: to know. */
  readonly level: 'impossible' | 'risky' | 'note';
  readonly code: PlanCode;
  readonly message: string;
}

/** With less, no peer is sure to have asked after the root was published and before it signs. */
const LEAST_HINTS = 3;
/** One poll may fail, and one more. */
const ADVISED_HINTS = 5;
const MINUTE_MS = 60_000;

/** What a CA with this lifetime can and cannot do with these times. Pure. */
export function planLifetime(
  lifetimeMs: number,
  times: Pick<RotationTimes, 'hintMs' | 'leafLifetimeMs'>,
): PlanFinding[] {
  const { hintMs, leafLifetimeMs } = times;
  const [lifetime, hint] = [formatDurationMs(lifetimeMs), formatDurationMs(hintMs)];
  const findings: PlanFinding[] = [];
  if (lifetimeMs <= LEAST_HINTS * hintMs)
    findings.push({
      level: 'impossible',
      code: 'hint-too-long',
      message: `a CA that lives ${lifetime} cannot work with a refresh hint of ${hint}: its root has to be out for ${LEAST_HINTS} hints before it signs, and nothing of its life is left then; have a hint of ${formatDurationMs(Math.max(1000, seconds(lifetimeMs / ADVISED_HINTS)))} at most`,
    });
  else if (lifetimeMs < ADVISED_HINTS * hintMs)
    findings.push({
      level: 'risky',
      code: 'hint-long',
      message: `a CA that lives ${lifetime} leaves little time with a refresh hint of ${hint}: a root should be out for ${LEAST_HINTS} to ${ADVISED_HINTS} hints before it signs; have a hint of ${formatDurationMs(Math.max(1000, seconds(lifetimeMs / ADVISED_HINTS)))} at most`,
    });
  if (leafLifetimeMs >= lifetimeMs)
    findings.push({
      level: 'risky',
      code: 'identities-outlive-root',
      message: `identities that live up to ${formatDurationMs(leafLifetimeMs)} (rotation.leaf_lifetime) do not fit a CA that lives ${lifetime}`,
    });
  return findings;
}

/** Gives advice about the roots as they are, and the time that each has left. Pure. */
export function planRoots(roots: readonly OwnRoot[], times: RotationTimes, now: Date): PlanFinding[] {
  const lifetimes = roots.map(
    ({ authority }) => authority.notAfter.getTime() - authority.notBefore.getTime(),
  );
  const shortest = Math.min(...lifetimes);
  const findings = roots.length === 0 ? [] : planLifetime(shortest, times);
  const newest = roots.reduce<OwnRoot | undefined>(
    (last, each) => (last && last.authority.notAfter >= each.authority.notAfter ? last : each),
    undefined,
  );
  // What signs ends with its root: from there on nothing new can be signed that is valid for long
  // enough.
  for (const root of roots) {
    const { authority, life } = root;
    if (life.stage === 'retiring' || (life.stage === 'published' && root !== newest)) continue;
    const leftMs = authority.notAfter.getTime() - now.getTime();
    const neededMs = ADVISED_HINTS * times.hintMs + times.leafLifetimeMs;
    const followed = roots.some((each) => each.authority.notAfter > authority.notAfter);
    if (followed || leftMs >= Math.max(neededMs, ADVISED_HINTS * MINUTE_MS)) continue;
    const impossible = leftMs < LEAST_HINTS * times.hintMs;
    findings.push({
      level: impossible ? 'impossible' : 'risky',
      code: 'root-ends',
      message: `the root ${life.label} ends at ${authority.notAfter.toISOString()}, and no root after it is published${
        impossible ? `; peers cannot have a new one in time any more` : `: publish the next one now`
      }`,
    });
  }
  return [...findings, ...unreadableRoots(roots), ...planHint(times)];
}

function unreadableRoots(roots: readonly OwnRoot[]): PlanFinding[] {
  return roots.flatMap(({ authority, life }) => {
    const problem = readingProblem(authority);
    if (problem === undefined) return [];
    return [
      {
        level: 'impossible' as const,
        code: 'root-not-portable' as const,
        message: `other programs cannot read the root ${life.label}: ${problem}; peers that are built with Go (SPIRE, Istio, Consul) refuse our whole bundle for it, or leave the root out; replace it, or take it out of the mesh's CA`,
      },
    ];
  });
}

/** Gives advice about the hint alone. Pure. */
export function planHint({ hintMs }: Pick<RotationTimes, 'hintMs'>): PlanFinding[] {
  if (hintMs >= MINUTE_MS) return [];
  return [
    {
      level: 'note',
      code: 'hint-below-a-minute',
      message: `a refresh hint of ${formatDurationMs(hintMs)} is not followed by every peer: SPIRE asks every 15 seconds at most, Istio every 30 minutes; raise rotation.lead if you have such peers`,
    },
  ];
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
