import type { TrustBundle } from '../spiffe/index.ts';
import type { RootLife, RootStage, RootStageChange, StageEvidence } from '../store/index.ts';

/** The roots that sign identities now, and how that is known. */
export interface Signing {
  readonly fingerprints: ReadonlySet<string>;
  readonly knownBy: Exclude<StageEvidence, 'bundle'>;
}

/** Six digits of the fingerprint and the subject, as the history names a root. */
function rootLabel(fingerprint: string, subject: string): string {
  return `${fingerprint.slice(0, 6)} ${subject}`.trimEnd();
}

/**
 * Gives the roots that sign, as far as the agent knows. The mesh or the config reports them
 * (`reported`), else the agent's own SVID chains to a root of ours, else there is only one root.
 * Reports on roots that we do not publish do not count. Undefined where nothing shows it.
 */
export function judgeSigning(input: {
  readonly bundle: TrustBundle;
  readonly reported: Signing | undefined;
  /**
   * The root at the end of the chain of the agent's own SVID; anything else where it chains to none
   * of ours.
   */
  readonly ownAnchor: string | undefined;
}): Signing | undefined {
  const published = new Set(input.bundle.x509Authorities.map(({ fingerprint }) => fingerprint));
  const candidates: (Signing | undefined)[] = [
    input.reported,
    input.ownAnchor === undefined
      ? undefined
      : { fingerprints: new Set([input.ownAnchor]), knownBy: 'own-svid' },
    // An SVID of ours under another root shows that this is not what signs.
    published.size === 1 && input.ownAnchor === undefined
      ? { fingerprints: published, knownBy: 'only-root' }
      : undefined,
  ];
  return candidates.find((each) => each && [...each.fingerprints].some((root) => published.has(root)));
}

/**
 * Gives the stages that our roots reach now. A root is *published* with the first bundle that has
 * it, *in use* while it signs, and *retiring* after that. It is *gone* with the first bundle that
 * no longer has it. Where it is unknown what signs, only published and gone are judged. Pure. A
 * second call with the outcome applied finds nothing.
 */
export function judgeRootStages(input: {
  readonly bundle: TrustBundle;
  readonly lives: readonly RootLife[];
  readonly signing: Signing | undefined;
  readonly now: Date;
}): RootStageChange[] {
  const { bundle, signing, now } = input;
  const lives = new Map(input.lives.map((life) => [life.fingerprint, life]));
  const published = new Set(bundle.x509Authorities.map(({ fingerprint }) => fingerprint));
  const changes: RootStageChange[] = [];
  const come = (fingerprint: string, label: string, stage: RootStage, knownBy: StageEvidence) =>
    changes.push({ trustDomain: bundle.trustDomain, fingerprint, label, stage, knownBy, at: now });
  for (const { fingerprint, subject } of bundle.x509Authorities) {
    const life = lives.get(fingerprint);
    const label = rootLabel(fingerprint, subject);
    const known = life !== undefined && life.stage !== 'gone';
    if (!known) come(fingerprint, label, 'published', 'bundle');
    const stage = known ? life.stage : 'published';
    const signs = signing?.fingerprints.has(fingerprint);
    if (signing && signs === true && stage !== 'in-use') come(fingerprint, label, 'in-use', signing.knownBy);
    if (signing && signs === false && stage === 'in-use')
      come(fingerprint, label, 'retiring', signing.knownBy);
  }
  for (const { fingerprint, label, stage } of lives.values())
    if (stage !== 'gone' && !published.has(fingerprint)) come(fingerprint, label, 'gone', 'bundle');
  return changes;
}
