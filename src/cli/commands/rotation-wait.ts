import type {
  GateDocument,
  MissingDocument,
  OwnRootDocument,
  RotationDocument,
} from '../../admin-client/index.ts';

/** What the command waits for. */
export interface WaitTarget {
  readonly step: 'use' | 'retire';
  /** The beginning of a fingerprint, lower case. */
  readonly root?: string;
  /** Only these trust domains count. */
  readonly peers?: readonly string[];
  /** All but these. */
  readonly except?: readonly string[];
}

/** Whether it is safe now. */
export interface Gate {
  readonly safe: boolean;
  readonly step: WaitTarget['step'];
  /** The root it is about; null while there is none to wait for. */
  readonly root: Pick<OwnRootDocument, 'fingerprint' | 'label' | 'stage'> | null;
  readonly missing: readonly MissingDocument[];
  readonly taken: GateDocument['taken'];
}

/**
 * Whether the step is safe for the root that is meant: the named one, else the newest that is
 * published and not in use, or every one that retires. There being none is not safe: it may only
 * not have been seen yet.
 */
export function judgeWait(document: RotationDocument, target: WaitTarget): Gate {
  const { step } = target;
  const meant = rootsMeant(document, target);
  const [first] = meant;
  if (!first) return { safe: false, step, root: null, missing: [none(document, target)], taken: [] };
  const gates = meant.map((root) => (step === 'use' ? root.use : root.retire));
  const missing = gates.flatMap((gate) => gate.missing).filter((each) => counts(each, target));
  const taken = gates.flatMap((gate) => gate.taken).filter(({ who }) => isMeant(who, target));
  const { fingerprint, label, stage } = first;
  return { safe: missing.length === 0, step, root: { fingerprint, label, stage }, missing, taken };
}

function rootsMeant({ roots }: RotationDocument, { step, root }: WaitTarget): readonly OwnRootDocument[] {
  if (root !== undefined) {
    const found = roots.filter(({ fingerprint }) => fingerprint.startsWith(root));
    return found.length === 1 ? found : [];
  }
  if (step === 'retire') return roots.filter(({ stage }) => stage === 'retiring');
  const waiting = roots.filter(({ stage }) => stage === 'published');
  return waiting.toSorted((a, b) => (a.published_at < b.published_at ? 1 : -1)).slice(0, 1);
}

function none(document: RotationDocument, { step, root }: WaitTarget): MissingDocument {
  const say = (code: string, message: string) => ({ code, message, peer: null, poller: null, safe_at: null });
  if (root !== undefined) {
    const several = document.roots.filter(({ fingerprint }) => fingerprint.startsWith(root)).length > 1;
    return several
      ? say('root-ambiguous', `more than one of our roots begins with ${root}`)
      : say('no-such-root', `none of the roots that we publish begins with ${root}`);
  }
  if (document.signing_known_by === null)
    return say(
      'signing-unknown',
      'it is not known which root signs identities now: name the root with --root',
    );
  return step === 'use'
    ? say('no-root-waits', 'no root is published that is not in use already')
    : say('no-root-retires', 'no root has stopped signing yet');
}

/**
 * Whether an obstacle counts for the target. One of a peer or poller counts where that one does;
 * one of the root always counts.
 */
function counts({ peer, poller }: MissingDocument, target: WaitTarget): boolean {
  const who = peer ?? poller;
  return who === null || isMeant(who, target);
}

function isMeant(who: string, { peers, except }: WaitTarget): boolean {
  if (peers) return peers.includes(who);
  return !(except ?? []).includes(who);
}
