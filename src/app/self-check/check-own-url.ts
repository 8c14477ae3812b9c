import { lookup } from 'node:dns/promises';
import type { AgentConfig } from '../../config/index.ts';
import { hasCode, messageOf } from '../../errors/index.ts';
import { FetchError } from '../../federation/index.ts';
import { readRegularText } from '../../platform/index.ts';
import { bundlesEqual, type EndpointProfile, parseSpiffeId, type SpiffeId } from '../../spiffe/index.ts';
import type { Fetch } from './fetch-as-agent.ts';
import type { HeldTrust } from './held-trust.ts';
import { type Checked, problem, type Subject } from './subject.ts';

/** Polls our own URL as a peer would, and compares the answer with the bundle that we hold. */
export async function checkOwnUrl(
  { agent }: Subject,
  { endpoint }: AgentConfig,
  { own }: HeldTrust,
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

function codedText(error: unknown): string {
  if (error instanceof FetchError) return `${error.message} [${error.code}]`;
  return hasCode(error, 'ENOENT') ? 'endpoint.ca_file is not there' : messageOf(error);
}
