import { type BundleSource, CodedError, type TrustBundle } from '../../spiffe/index.ts';
import { BundleTimeline } from './bundle-timeline.ts';
import { type ExpectedHead, ChainJudge } from './chain-judge.ts';
import type { ChainLink, SignedHead } from '../model/chain.ts';
import { proveHead } from './head-statement.ts';
import { type Finding, type HistoryReport, MAX_FINDINGS } from './history-finding.ts';

/** What a history is held against besides itself. */
export interface HistoryEvidence {
  /**
   * The bundle of the agent's trust domain, had by a way that is trusted; without it heads rest on
   * the bundles of the history itself.
   */
  readonly roots?: TrustBundle;
  /** Heads of this history that others kept: a peer's copies. */
  readonly heads?: readonly SignedHead[];
}

interface Judged extends ExpectedHead {
  readonly signed?: { readonly at: Date; readonly signer: string; readonly rootedIn: string };
}

/**
 * Judges a chain, its rows and the heads that were signed: link by link, then head by head. `more`
 * is what was found by other means. Everything is told that is wrong, not the first only.
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
  const tell = (more: readonly Finding[]) => {
    found += more.length;
    for (const finding of more) if (findings.length < MAX_FINDINGS) findings.push(finding);
  };
  for (const link of history.links) {
    tell(judge.add(link));
    timeline.add(link);
  }

  const judged: Judged[] = [];
  for (const head of heads) {
    if (head.statement === undefined) {
      judged.push({ ...head, told: `noted, unsigned, at ${head.at.toISOString()}` });
      continue;
    }
    const proven = await judgeHead(head, head.statement, evidence.roots, timeline);
    if ('code' in proven) tell([proven]);
    else judged.push(proven);
  }
  judged.sort((a, b) => a.number - b.number);
  tell(judge.judgeHeads(judged));
  const sound = judged.filter((head) => judge.judgeHeads([head]).length === 0);
  const newest = sound.findLast((head) => head.signed);
  const { roots } = evidence;
  if (roots && !sound.some(({ signed }) => signed?.rootedIn === GIVEN))
    tell([
      {
        code: 'head-unproven',
        message: `no head of this history is signed under the bundle of ${roots.trustDomain} that was given`,
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
    message: `the head for link ${head.number}, said to be signed by ${signer} at ${at.toISOString()}, is not proven: ${why}`,
  });
  let why = `the history has no bundle of that time to prove it`;
  for (const [rootedIn, bundles] of attempts) {
    try {
      const { number, hash, chain, statement: said } = await proveHead(statement, bundles, at);
      if (number !== head.number || hash !== head.hash || said.signer.id !== signer)
        return unproven('what is signed says something else');
      const signed = { at: said.issuedAt, signer, rootedIn };
      return { number, hash, chain, told: `signed by ${signer} at ${said.issuedAt.toISOString()}`, signed };
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
