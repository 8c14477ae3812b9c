import { setImmediate } from 'node:timers/promises';
import { type BundleSource, CodedError, type TrustBundle } from '../../spiffe/index.ts';
import { BundleTimeline } from './bundle-timeline.ts';
import { type ExpectedHead, ChainJudge } from './chain-judge.ts';
import type { ChainLink, SignedHead } from '../model/chain.ts';
import { proveHead } from './head-statement.ts';
import { type Finding, type HistoryReport, MAX_FINDINGS } from './history-finding.ts';

/** Evidence from outside the history, to compare it with. */
export interface HistoryEvidence {
  /**
   * The bundle of the agent's trust domain, obtained in a trusted way. Without it, heads are proven
   * with the bundles of the history itself.
   */
  readonly roots?: TrustBundle;
  /** Heads of this history that others kept, such as a peer's copies. */
  readonly heads?: readonly SignedHead[];
  /** Gets the number of judged links from time to time; other work has its turn then. */
  readonly onLinks?: (links: number) => void;
}

/** So many links take milliseconds. */
const LINKS_AT_ONCE = 1000;

interface Judged extends ExpectedHead {
  readonly signed?: { readonly at: Date; readonly signer: string; readonly rootedIn: string };
}

/**
 * Judges a chain, its rows and its signed heads: link by link, then head by head. `more` holds
 * findings from other checks. The result lists everything that is wrong, not only the first defect.
 */
export async function judgeHistory(
  history: {
    readonly links: Iterable<ChainLink>;
    readonly heads: readonly SignedHead[];
    readonly more?: readonly Finding[];
  },
  evidence: HistoryEvidence,
): Promise<HistoryReport> {
  const heads = [...history.heads, ...(evidence.heads ?? [])];
  const judge = new ChainJudge(heads.map(({ number }) => number));
  const timeline = new BundleTimeline(heads.flatMap(({ signer }) => signer ?? []));
  const findings: Finding[] = [...(history.more ?? [])];
  let found = findings.length;
  const report = (more: readonly Finding[]) => {
    found += more.length;
    for (const finding of more) if (findings.length < MAX_FINDINGS) findings.push(finding);
  };
  for (const link of history.links) {
    report(judge.add(link));
    timeline.add(link);
    if (judge.links % LINKS_AT_ONCE !== 0 || !evidence.onLinks) continue;
    evidence.onLinks(judge.links);
    await setImmediate();
  }

  const judged: Judged[] = [];
  for (const head of heads) {
    if (head.statement === undefined) {
      judged.push({ ...head, vouchedBy: `noted, unsigned, at ${head.at.toISOString()}` });
      continue;
    }
    const proven = await judgeHead(head, head.statement, evidence.roots, timeline);
    if ('code' in proven) report([proven]);
    else judged.push(proven);
  }
  judged.sort((a, b) => a.number - b.number);
  report(judge.judgeHeads(judged));
  const sound = judged.filter((head) => judge.judgeHeads([head]).length === 0);
  const newest = sound.findLast((head) => head.signed);
  const { roots } = evidence;
  if (roots && !sound.some(({ signed }) => signed?.rootedIn === GIVEN))
    report([
      {
        code: 'head-unproven',
        message: `no head of this history is signed under the bundle of ${roots.trustDomain} you gave`,
      },
    ]);
  const signed = heads.filter(({ statement }) => statement !== undefined).length;
  return {
    links: judge.links,
    head: judge.head,
    heads: { signed, unsigned: heads.length - signed },
    newestSigned: newest?.signed && { number: newest.number, ...newest.signed },
    findings: findings.slice(0, MAX_FINDINGS),
    found,
  };
}

const GIVEN = 'the bundle given';
const ITSELF = 'the bundles of this history';

async function judgeHead(
  head: SignedHead,
  statement: string,
  roots: TrustBundle | undefined,
  timeline: BundleTimeline,
): Promise<Judged | Finding> {
  const { at, signer = '' } = head;
  const attempts: [string, BundleSource][] = [
    ...(roots ? [[GIVEN, sourceOf(roots)] satisfies [string, BundleSource]] : []),
    ...timeline.bundlesAt(signer, at).map((bundle): [string, BundleSource] => [ITSELF, sourceOf(bundle)]),
  ];
  const unproven = (why: string): Finding => ({
    code: 'head-unproven',
    message: `the head for link ${head.number}, attributed to ${signer} at ${at.toISOString()}, is not proven: ${why}`,
  });
  let why = `the history has no bundle of that time to prove it`;
  for (const [rootedIn, bundles] of attempts) {
    try {
      const { number, hash, chain, statement: proven } = await proveHead(statement, bundles, at);
      if (number !== head.number || hash !== head.hash || proven.signer.id !== signer)
        return unproven('the signed statement names another head');
      const signed = { at: proven.issuedAt, signer, rootedIn };
      return {
        number,
        hash,
        chain,
        vouchedBy: `signed by ${signer} at ${proven.issuedAt.toISOString()}`,
        signed,
      };
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      why = error.message;
    }
  }
  return unproven(why);
}

function sourceOf(bundle: TrustBundle): BundleSource {
  return { bundleFor: (trustDomain) => (trustDomain === bundle.trustDomain ? bundle : undefined) };
}
