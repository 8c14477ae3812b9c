import type { TrustDomain } from '../spiffe/index.ts';
import { readingProblem } from '../spiffe/index.ts';
import { judgePeer, judgePoller, type Missing, type ReadyBy } from './judge-readiness.ts';
import type { OwnRoot, RotationView } from './rotation-view.ts';

/** Whether a step of a rotation is safe, and if not, everything that is missing. */
export interface GateVerdict {
  readonly safe: boolean;
  readonly missing: readonly Missing[];
  /** The peers and pollers with less evidence than a proof. */
  readonly taken: readonly { readonly who: TrustDomain | string; readonly by: Exclude<ReadyBy, 'proof'> }[];
}

/**
 * Whether the mesh may sign with a root: every peer has it in effect, or had the time to (invariant 6).
 */
export function judgeUse(root: OwnRoot, view: RotationView): GateVerdict {
  const { notBefore, notAfter } = root.authority;
  const missing: Missing[] = [];
  if (view.now < notBefore)
    missing.push({
      code: 'root-not-yet-valid',
      message: `the root is not valid before ${notBefore.toISOString()}`,
      safeAt: notBefore,
    });
  if (view.now >= notAfter)
    missing.push({ code: 'root-expired', message: `the root ended at ${notAfter.toISOString()}` });
  const readiness = judgeEverybody(root, view);
  return verdict([...missing, ...unreadable(view.roots), ...readiness.missing], readiness.taken);
}

/**
 * Whether a root may go. It must not sign any more, every peer and poller must have the roots that
 * do, and nothing that it signed may still be in use. Where it is unknown what signs, removal is
 * never safe.
 */
export function judgeRetire(root: OwnRoot, view: RotationView): GateVerdict {
  const { life } = root;
  if (!view.signingKnown)
    return verdict([
      {
        code: 'signing-unknown',
        message: 'no source shows which root signs identities now, so it may be this one',
      },
    ]);
  const successors = view.roots.filter((each) => each.life.stage === 'in-use' && each !== root);
  const missing: Missing[] = [];
  if (life.stage === 'in-use')
    missing.push({ code: 'still-signing', message: 'the root signs identities now' });
  if (successors.length === 0)
    missing.push({ code: 'no-successor', message: 'there is no other root that signs identities now' });
  const overAt = life.retiringAt && new Date(life.retiringAt.getTime() + view.times.leafLifetimeMs);
  if (life.stage === 'retiring' && overAt && view.now < overAt)
    missing.push({
      code: 'identities-alive',
      message: `identities that it signed may be in use until ${overAt.toISOString()}`,
      safeAt: overAt,
    });
  const readiness = successors.map((each) => judgeEverybody(each, view));
  return verdict(
    [
      ...missing,
      ...unreadable(view.roots.filter((each) => each !== root)),
      ...readiness.flatMap((each) => each.missing),
    ],
    readiness.flatMap((each) => each.taken),
  );
}

/**
 * Because a peer may refuse the whole bundle for one root that it cannot read, no other root in it
 * is sure to have arrived either.
 */
function unreadable(roots: readonly OwnRoot[]): Missing[] {
  return roots.flatMap(({ authority, life }) => {
    const problem = life.stage === 'gone' ? undefined : readingProblem(authority);
    if (problem === undefined) return [];
    const message = `other programs cannot read the root ${life.label}, and may refuse the whole bundle: ${problem}`;
    return [{ code: 'root-not-portable' as const, message }];
  });
}

function judgeEverybody(root: OwnRoot, view: RotationView): Pick<GateVerdict, 'missing' | 'taken'> {
  const since = root.life.publishedAt.getTime() - view.times.leadMs;
  // A poller that stopped polling before the root was published does not count any more.
  const pollers = view.pollers.filter(({ lastSeenAt }) => lastSeenAt.getTime() >= since);
  const all = [
    ...view.peers.map((peer) => ({ who: peer.trustDomain, readiness: judgePeer(root, peer, view) })),
    ...pollers.map((poller) => ({ who: poller.address, readiness: judgePoller(root, poller, view) })),
  ];
  const outAt = new Date(root.life.publishedAt.getTime() + view.times.leadMs);
  // A caller that polls from many addresses could push real pollers off the list.
  const forgotten = view.forgotAt !== undefined && view.forgotAt.getTime() >= since && view.now < outAt;
  const crowd: Missing[] = forgotten
    ? [
        {
          code: 'pollers-forgotten',
          message: `more poll than can be remembered; all are given until ${outAt.toISOString()}`,
          safeAt: outAt,
        },
      ]
    : [];
  return {
    missing: [...all.flatMap(({ readiness }) => (readiness.ready ? [] : [readiness.missing])), ...crowd],
    taken: all.flatMap(({ who, readiness }) =>
      readiness.ready && readiness.by !== 'proof' ? [{ who, by: readiness.by }] : [],
    ),
  };
}

function verdict(missing: readonly Missing[], taken: GateVerdict['taken'] = []): GateVerdict {
  return { safe: missing.length === 0, missing, taken };
}
