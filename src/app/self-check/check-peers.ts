import { messageOf } from '../../errors/index.ts';
import { FetchError, staleFrom } from '../../federation/index.ts';
import type { Finding } from '../../mesh-adapters/index.ts';
import { formatDurationMs } from '../../platform/index.ts';
import type { Relationship } from '../../store/index.ts';
import type { Fetch } from './fetch-as-agent.ts';
import type { HeldTrust } from './held-trust.ts';
import { type Checked, problem, remark, type Subject } from './subject.ts';

const AT_ONCE = 8;
/** More peers are not asked, so that the whole examination stays short. */
const MOST_PEERS = 64;
/** A poll may be so late before it is reported. */
const LATE_SLACK_MS = 60_000;

/** Polls the endpoints of each peer, and reports relationships that are not active, stale or late. */
export async function checkPeers(
  subject: Subject,
  { relationships }: HeldTrust,
  fetch: Fetch,
): Promise<Checked> {
  const asked = relationships.slice(0, MOST_PEERS);
  const queue = [...asked];
  const findings: Finding[] = [];
  const worker = async () => {
    for (let peer = queue.shift(); peer && !subject.signal.aborted; peer = queue.shift())
      findings.push(...(await checkPeer(subject, peer, fetch)));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const left = relationships.length - asked.length + queue.length;
  if (left > 0)
    findings.push(
      remark('peers-not-asked', `${left} further peers were not asked`, {
        advice: '"federate list" shows how the agent itself reaches them',
      }),
    );
  return { examined: [`peers: ${asked.length - queue.length}`], findings };
}

async function checkPeer(subject: Subject, peer: Relationship, fetch: Fetch): Promise<Finding[]> {
  const { trustDomain: where, state, stateReason: reason, profile } = peer;
  const findings = freshness(subject, peer);
  if (state !== 'active' && state !== 'pending')
    findings.push(
      problem(
        reason?.code ?? `peer-${state}`,
        `the relationship is ${state}: ${reason?.message ?? 'see "federate show"'}`,
        {
          where,
        },
      ),
    );
  if (profile.kind === 'signed_bundle' || peer.endpointUrl.startsWith('file:')) return findings;
  const urls = [peer.endpointUrl, ...(peer.moreEndpointUrls ?? [])];
  for (const url of urls) {
    try {
      await fetch({ trustDomain: where, url, profile, caPem: peer.webPkiCaPem });
    } catch (error) {
      const code = error instanceof FetchError ? error.code : 'peer-answer-unusable';
      if (findings.some((each) => each.code === code)) continue;
      findings.push(
        problem(code, `its endpoint ${url} cannot be polled from here: ${messageOf(error)}`, { where }),
      );
    }
  }
  return findings;
}

/** Whether a good poll is as recent as an agent that runs would have it. */
function freshness({ agent, clock }: Subject, peer: Relationship): Finding[] {
  const { trustDomain: where, lastSuccessAt, nextPollAt } = peer;
  const now = clock.now();
  const stale = staleFrom(peer);
  if (stale && stale <= now)
    return [
      problem('trust-stale', `no good poll since ${(lastSuccessAt ?? peer.createdAt).toISOString()}`, {
        where,
      }),
    ];
  if (!agent || !nextPollAt) return [];
  const lateMs = now.getTime() - nextPollAt.getTime();
  if (lateMs <= LATE_SLACK_MS) return [];
  return [
    remark(
      'poll-late',
      `the next poll was due ${formatDurationMs(lateMs)} ago; a held request can be the reason`,
      { where },
    ),
  ];
}
