import { printable } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';

/**
 * The stage of a root of our own: published · signs · no longer signs, but its certificates are
 * still valid · no longer published.
 */
export type RootStage = 'published' | 'in-use' | 'retiring' | 'gone';

/**
 * How a stage is known: from our bundle · the mesh reported what signs · the agent's own SVID
 * chains to it · the config names it · there is no other root.
 */
export type StageEvidence = 'bundle' | 'mesh' | 'own-svid' | 'config' | 'only-root';

/** A root of our own reached a stage. */
export interface RootStageChange {
  readonly trustDomain: TrustDomain;
  /** SHA-256 of the certificate, 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** Six digits of the fingerprint and the subject. */
  readonly label: string;
  readonly stage: RootStage;
  readonly knownBy: StageEvidence;
  readonly at: Date;
}

/** A root of our own, and when it reached each stage since it was last published. */
export interface RootLife {
  readonly trustDomain: TrustDomain;
  readonly fingerprint: string;
  readonly label: string;
  readonly stage: RootStage;
  /** When its stage began. */
  readonly since: Date;
  readonly knownBy: StageEvidence;
  readonly publishedAt: Date;
  readonly inUseAt?: Date;
  readonly retiringAt?: Date;
  readonly goneAt?: Date;
}

const HEX64 = /^[0-9a-f]{64}$/;

/**
 * The change as it is stored: the label printable and of bounded length. Throws `TypeError` for a
 * malformed fingerprint.
 */
export function cleanStageChange(change: RootStageChange): RootStageChange {
  if (!HEX64.test(change.fingerprint)) throw new TypeError('a fingerprint has 64 hex digits');
  return { ...change, label: printable(change.label, 200) };
}

/**
 * The lives of roots that these stages make up, by their newest stage. `changes` are in the order
 * they came.
 */
export function livesOf(changes: readonly RootStageChange[]): RootLife[] {
  const lives = new Map<string, RootLife>();
  for (const change of changes) {
    const { fingerprint, stage, at, trustDomain, label, knownBy } = change;
    const before = lives.get(fingerprint);
    const now = { trustDomain, fingerprint, label, stage, since: at, knownBy };
    lives.delete(fingerprint);
    // A root that is published again begins a new life.
    if (!before || stage === 'published') lives.set(fingerprint, { ...now, publishedAt: at });
    else lives.set(fingerprint, { ...before, ...now, ...instantOf(stage, at) });
  }
  return [...lives.values()];
}

function instantOf(stage: RootStage, at: Date): Partial<RootLife> {
  switch (stage) {
    case 'in-use':
      return { inUseAt: at };
    case 'retiring':
      return { retiringAt: at };
    case 'gone':
      return { goneAt: at };
    case 'published':
      return { publishedAt: at };
  }
}
