import { lookup } from 'node:dns/promises';
import { pollingOf } from '../../agent/index.ts';
import type { AgentConfig } from '../../config/index.ts';
import { hasCode, messageOf } from '../../errors/index.ts';
import { fetchBundle, FetchError, staleFrom } from '../../federation/index.ts';
import type { Finding } from '../../mesh-adapters/index.ts';
import { createSpiffeVerifier } from '../../mtls/index.ts';
import { formatDurationMs, readRegularText } from '../../platform/index.ts';
import {
  BundleSet,
  bundlesEqual,
  type EndpointProfile,
  parseBundle,
  parseSpiffeId,
  type SpiffeId,
  type TrustBundle,
} from '../../spiffe/index.ts';
import { openSqliteStoreForReading, type Relationship, StoreError } from '../../store/index.ts';
import { clockOf, type SeenClock } from './peer-clock.ts';
import { type Checked, NOTHING_CHECKED, problem, remark, type Subject } from './subject.ts';

/** How long one endpoint may take. */
const FETCH_MS = 5000;
const AT_ONCE = 8;
/** More peers are not asked, so that the whole examination stays short. */
const MOST_PEERS = 64;
/** So many endpoints are asked for the time. */
const MOST_CLOCKS = 5;
/** Invitations and signatures allow for clocks that differ less. */
const CLOCK_SLACK_MS = 60_000;

interface Held {
  readonly own: TrustBundle | undefined;
  readonly bundles: BundleSet;
  readonly distrusted: ReadonlyMap<string, ReadonlySet<string>>;
  readonly relationships: readonly Relationship[];
}

/**
 * Our own URL and the endpoint of each peer: name, connection, certificate, proof and freshness; and
 * our clock against theirs. Each is asked as the agent asks it, with the bundles in the store.
 */
export async function checkReach(subject: Subject): Promise<Checked> {
  const { loaded, storePath } = subject;
  if (!loaded || storePath === undefined) return NOTHING_CHECKED;
  const held = await readHeld(storePath, subject);
  if (!held) return NOTHING_CHECKED;
  const fetch = fetcherOf(loaded.config, held, subject);
  const [own, peers, clocks] = await Promise.all([
    checkOwnUrl(subject, loaded.config, held, fetch),
    checkPeers(subject, held, fetch),
    checkClocks(subject, held),
  ]);
  return {
    examined: [own, peers, clocks].flatMap(({ examined }) => examined),
    findings: [own, peers, clocks].flatMap(({ findings }) => findings),
  };
}

/** Undefined where the store cannot be read, which the check of the store reports. */
async function readHeld(path: string, { agent, loaded }: Subject): Promise<Held | undefined> {
  try {
    await using store = await openSqliteStoreForReading({ path });
    const bundles = new BundleSet();
    for (const { bundle } of await store.currentAll()) bundles.set(bundle);
    const distrusted = new Map<string, Set<string>>();
    for (const { trustDomain, keyFingerprint } of await store.distrustedKeys())
      distrusted.set(trustDomain, (distrusted.get(trustDomain) ?? new Set()).add(keyFingerprint));
    const name =
      agent?.status.trust_domain ?? loaded?.config.trust_domain ?? (await store.getMeta('own-trust-domain'));
    return {
      own: bundles.list().find(({ trustDomain }) => trustDomain === name),
      bundles,
      distrusted,
      relationships: await store.relationships(),
    };
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

type Fetch = (target: {
  readonly trustDomain: Relationship['trustDomain'];
  readonly url: string;
  readonly profile: EndpointProfile;
  readonly caPem: string | undefined;
}) => Promise<{
  readonly bundle: TrustBundle;
  readonly durationMs: number;
  readonly leaf: string | undefined;
}>;

function fetcherOf(config: AgentConfig, held: Held, { clock, signal }: Subject): Fetch {
  const { lookup: hosts, guard, proxy, redirects, fetchLimits, bundleLimits } = pollingOf(config);
  const verifier = createSpiffeVerifier({
    bundles: {
      bundleFor: (trustDomain) => held.bundles.bundleFor(trustDomain),
      distrustedKeys: (trustDomain) => held.distrusted.get(trustDomain),
    },
    clock,
    strictKeyUsage: config.federation.strict_key_usage,
  });
  const limits = {
    ...fetchLimits,
    connectMs: Math.min(fetchLimits.connectMs, FETCH_MS),
    tlsMs: Math.min(fetchLimits.tlsMs, FETCH_MS),
    totalMs: Math.min(fetchLimits.totalMs, FETCH_MS),
  };
  return async ({ trustDomain, url, profile, caPem }) => {
    const outcome = await fetchBundle({
      trustDomain,
      endpointUrl: url,
      profile,
      verifier,
      webPkiCaPem: caPem,
      lookup: hosts,
      guard,
      proxy,
      redirects,
      limits,
      clock,
      signal,
    });
    if (outcome.kind !== 'document') throw new TypeError('unreachable: nothing was held before');
    const { durationMs, leafFingerprint: leaf } = outcome.trace;
    return { bundle: parseBundle(trustDomain, outcome.body, bundleLimits).bundle, durationMs, leaf };
  };
}

async function checkOwnUrl(
  { agent }: Subject,
  { endpoint }: AgentConfig,
  { own }: Held,
  fetch: Fetch,
): Promise<Checked> {
  const url = endpoint.url.href;
  const host = new URL(url).hostname.replaceAll(/[[\]]/g, '');
  try {
    await lookup(host);
  } catch (error) {
    const advice = 'peers need the name too: put it into DNS, or change endpoint.url';
    return {
      examined: [],
      findings: [
        problem('own-url-unresolved', `the host of our own URL ${url} has no address: ${messageOf(error)}`, {
          advice,
        }),
      ],
    };
  }
  // An agent that is down serves nothing, which is reported already.
  const id = agent?.status.endpoint.endpoint_id;
  if (!agent || !own) return { examined: [`name of our own URL ${url}`], findings: [] };
  if (endpoint.profile === 'https_spiffe' && id == null) return { examined: [], findings: [] };
  try {
    const { bundle, durationMs, leaf } = await fetch({
      trustDomain: own.trustDomain,
      url,
      profile: endpoint.profile === 'https_web' ? { kind: 'https_web' } : spiffeProfile(id ?? ''),
      caPem:
        endpoint.profile === 'https_web' && endpoint.ca_file !== undefined
          ? await readRegularText(endpoint.ca_file)
          : undefined,
    });
    const proved = endpoint.profile === 'https_web' ? `a certificate for ${host}` : `the SVID ${id ?? ''}`;
    const examined = [
      `our own URL ${url}: answered in ${durationMs} ms with ${proved}${leaf === undefined ? '' : ` (${leaf.slice(0, 12)}…)`}`,
    ];
    const isOurs = bundlesEqual(bundle, own);
    return {
      examined,
      findings: isOurs
        ? []
        : [
            problem('own-url-serves-other', `at ${url} another bundle is served than the agent holds`, {
              advice: 'is it the URL of this agent, and is there a cache or a second agent behind it?',
            }),
          ],
    };
  } catch (error) {
    return {
      examined: [`our own URL ${url}`],
      findings: [
        problem('own-url-unreachable', `our own URL ${url} cannot be polled from here: ${codedText(error)}`, {
          advice:
            'peers meet the same unless only this machine cannot reach it (a NAT, for instance): then --ignore own-url-unreachable',
        }),
      ],
    };
  }
}

function spiffeProfile(id: string): EndpointProfile {
  const endpointId: SpiffeId = parseSpiffeId(id);
  return { kind: 'https_spiffe', endpointId };
}

async function checkPeers(subject: Subject, { relationships }: Held, fetch: Fetch): Promise<Checked> {
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
  if (lateMs <= CLOCK_SLACK_MS) return [];
  return [
    remark(
      'poll-late',
      `the next poll was due ${formatDurationMs(lateMs)} ago; a held request can be the reason`,
      { where },
    ),
  ];
}

/** Compares our clock with that of a few peers, by the `Date` of their answers. */
async function checkClocks({ clock, signal }: Subject, { relationships }: Held): Promise<Checked> {
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

function codedText(error: unknown): string {
  if (error instanceof FetchError) return `${error.message} [${error.code}]`;
  return hasCode(error, 'ENOENT') ? 'endpoint.ca_file is not there' : messageOf(error);
}
