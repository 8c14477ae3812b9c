import { formatDurationMs } from '../platform/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { PeerHolding, PlainPoller } from '../federation/index.ts';
import type { OwnRoot, OwnVersion, RotationPeer, RotationView } from './rotation-view.ts';

/** Why a step of a rotation has to wait. */
export type MissingCode =
  /** It holds a version without the root. */
  | 'peer-behind'
  /** It holds a version of our bundle that we do not remember. */
  | 'peer-version-unknown'
  /** It has the root, but not in its mesh. */
  | 'not-in-effect'
  /** Its mesh has it, but its proxies may not yet. */
  | 'settling'
  /** Nothing is known of it, and the root was not published long enough ago. */
  | 'never-seen'
  /**
   * A poller that does not identify itself has fetched nothing with the root yet, and the root was
   * not published long enough ago.
   */
  | 'poller-behind'
  /**
   * There are too many pollers to remember them all, and the root was not published long enough
   * ago.
   */
  | 'pollers-forgotten'
  | 'root-not-yet-valid'
  | 'root-expired'
  /** Programs of peers cannot read the root. */
  | 'root-not-portable'
  | 'signing-unknown'
  | 'still-signing'
  /** No other root signs. */
  | 'no-successor'
  /** What it signed may still be in use. */
  | 'identities-alive';

/** One thing that stands in the way of a step. */
export interface Missing {
  readonly code: MissingCode;
  readonly message: string;
  /** The peer that this is about. */
  readonly peer?: TrustDomain;
  /** The address of the poller that this is about. */
  readonly poller?: string;
  /** When it ends by itself; absent where it needs an action. */
  readonly safeAt?: Date;
}

/**
 * The evidence that a peer or poller has a root: it proved it · it was seen to have fetched it · it
 * had the time to.
 */
export type ReadyBy = 'proof' | 'fetch' | 'time';

export type Readiness =
  | { readonly ready: true; readonly by: ReadyBy }
  | { readonly ready: false; readonly missing: Missing };

/**
 * Whether a peer accepts identities under a root of ours: by its proof, else by what was seen of
 * it, else by time.
 */
export function judgePeer(root: OwnRoot, peer: RotationPeer, view: RotationView): Readiness {
  const { trustDomain, holding, poller } = peer;
  if (holding) return judgeHolding(root, holding, view);
  return judgeByTime(root, poller, view, { peer: trustDomain }, () =>
    poller ? `${trustDomain} (${poller.address})` : `${trustDomain}, which never reported what it holds,`,
  );
}

/** Whether a poller that does not identify itself accepts identities under a root of ours. */
export function judgePoller(root: OwnRoot, poller: PlainPoller, view: RotationView): Readiness {
  return judgeByTime(root, poller, view, { poller: poller.address }, () => `the poller at ${poller.address}`);
}

/** The version that a poller was seen with last, in what it showed or what it was given. */
export function versionOf(poller: PlainPoller, versions: readonly OwnVersion[]): OwnVersion | undefined {
  const of = (tag: string | undefined) =>
    tag === undefined ? -1 : versions.findIndex((each) => each.tag === tag);
  const found = [of(poller.heldTag), of(poller.servedTag)].filter((index) => index >= 0);
  return found.length === 0 ? undefined : versions[Math.min(...found)];
}

function judgeHolding({ authority }: OwnRoot, holding: PeerHolding, view: RotationView): Readiness {
  const { trustDomain: peer, digest, sequence, since, inMesh, knownSince } = holding;
  const version = view.versions.find((each) => each.digest === digest);
  const missing = (rest: Omit<Missing, 'peer'>): Readiness => ({ ready: false, missing: { peer, ...rest } });
  if (!version)
    return missing({
      code: 'peer-version-unknown',
      message: `${peer} reports that it holds sequence ${sequence ?? 'none'} of our bundle with a content that is none of our last ${view.versions.length} versions`,
    });
  if (!version.roots.has(authority.fingerprint))
    return missing({
      code: 'peer-behind',
      message: `${peer} holds sequence ${version.sequence ?? 'none'} since ${since.toISOString()}, which is without this root`,
    });
  if (!inMesh)
    return missing({
      code: 'not-in-effect',
      message: `${peer} holds it since ${since.toISOString()}, but its mesh has not taken it`,
    });
  const settledAt = new Date(knownSince.getTime() + view.times.settleMs);
  if (inMesh.progress !== 'in-effect' && view.now < settledAt)
    return missing({
      code: 'settling',
      message: `the mesh of ${peer} has it (${inMesh.progress}); its proxies are given ${formatDurationMs(view.times.settleMs)}`,
      safeAt: settledAt,
    });
  return { ready: true, by: 'proof' };
}

function judgeByTime(
  { authority, life }: OwnRoot,
  poller: PlainPoller | undefined,
  { now, times, versions }: RotationView,
  who: Pick<Missing, 'peer' | 'poller'>,
  name: () => string,
): Readiness {
  const outAt = new Date(life.publishedAt.getTime() + times.leadMs);
  if (now >= outAt) return { ready: true, by: 'time' };
  const version = poller && versionOf(poller, versions);
  if (poller && version?.roots.has(authority.fingerprint)) {
    // Since when it has exactly this one is not known, only since when it was seen with it.
    const settledAt = new Date(fetchedAt(poller, version).getTime() + times.settleMs);
    if (now >= settledAt) return { ready: true, by: 'fetch' };
    const message = `${name()} has fetched it, and is given ${formatDurationMs(times.settleMs)}`;
    return {
      ready: false,
      missing: { code: 'settling', message, ...who, safeAt: earlier(settledAt, outAt) },
    };
  }
  const given = `is given until ${outAt.toISOString()}`;
  const message = version
    ? `${name()} was last seen with sequence ${version.sequence ?? 'none'}, which is without this root; it ${given}`
    : `${name()} ${given}`;
  const code = poller ? 'poller-behind' : 'never-seen';
  return { ready: false, missing: { code, message, ...who, safeAt: outAt } };
}

function fetchedAt(poller: PlainPoller, { tag }: OwnVersion): Date {
  const { heldTag, heldTagSince, servedTag, servedTagSince, lastSeenAt } = poller;
  const shown = heldTag === tag ? heldTagSince : undefined;
  const given = servedTag === tag ? servedTagSince : undefined;
  if (shown && given) return earlier(shown, given);
  return shown ?? given ?? lastSeenAt;
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}
