import { formatDurationMs } from '../../platform/index.ts';
import type { HeldTrust } from './held-trust.ts';
import { clockOf, type SeenClock } from './peer-clock.ts';
import { type Checked, FETCH_MS, problem, type Subject } from './subject.ts';

/** So many endpoints are asked for the time. */
const MOST_CLOCKS = 5;
/** Invitations and signatures allow for clocks that differ less. */
const CLOCK_SLACK_MS = 60_000;

/** Compares our clock with that of a few peers, by the `Date` of their answers. */
export async function checkClocks(
  { clock, signal }: Subject,
  { relationships }: HeldTrust,
): Promise<Checked> {
  const urls = relationships
    .filter(({ endpointUrl }) => endpointUrl.startsWith('https:'))
    .slice(0, MOST_CLOCKS);
  const asked = await Promise.all(
    urls.map(async ({ trustDomain, endpointUrl }) => ({
      trustDomain,
      seen: await clockOf(endpointUrl, { ms: FETCH_MS, clock, signal }),
    })),
  );
  const seen = asked.flatMap(({ trustDomain, seen: each }) => (each ? [{ trustDomain, ...each }] : []));
  const off = seen.filter(({ offsetMs }) => Math.abs(offsetMs) > CLOCK_SLACK_MS);
  const examined = seen.length === 0 ? [] : [`clocks of ${seen.length} peers`];
  const text = ({ offsetMs }: SeenClock) =>
    `${formatDurationMs(Math.abs(offsetMs))} ${offsetMs > 0 ? 'ahead of' : 'behind'} ours`;
  const advice = 'set the clocks right (NTP)';
  // One clock that differs is probably that of the peer. When most differ, it is ours.
  if (off.length > 1 && off.length * 2 > seen.length) {
    const list = off.map((each) => `${each.trustDomain} ${text(each)}`).join(', ');
    return {
      examined,
      findings: [problem('clock-off', `the clocks of peers differ from ours: ${list}`, { advice })],
    };
  }
  return {
    examined,
    findings: off.map((each) =>
      problem('clocks-differ', `its clock is ${text(each)}`, { where: each.trustDomain, advice }),
    ),
  };
}
