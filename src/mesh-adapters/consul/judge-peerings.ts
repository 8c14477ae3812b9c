import type { SpiffeId } from '../../spiffe/index.ts';
import { type Finding, noted, wrong } from '../contract/finding.ts';
import type { ConsulFacts } from './facts.ts';
import type { Peering } from './peerings.ts';

/** Judges the peerings of foreign trust domains and the services exported to them. Pure. */
export function judgePeerings(
  { peerings, exports, own }: ConsulFacts,
  gateway: ReadonlyMap<SpiffeId, string>,
): Finding[] {
  if (!peerings) return [];
  const findings: Finding[] = [];
  const ours = peerings.filter(({ ownedFor }) => ownedFor !== undefined);
  for (const peering of ours) findings.push(...judgeState(peering));
  for (const { name, ownedFor, underPrefix } of peerings) {
    if (ownedFor === undefined && underPrefix)
      findings.push(
        wrong(
          'peering-name-taken',
          name,
          'the peering has a name of ours but not our mark, so it is left alone',
          'rename it, or choose another peer_name_prefix',
        ),
      );
  }
  findings.push(...judgeClashes(peerings, own?.trustDomain));
  const names = new Set(peerings.map(({ name }) => name));
  for (const { name, peers } of exports ?? [])
    for (const peer of peers)
      if (!names.has(peer))
        findings.push(
          wrong(
            'export-to-unknown-peer',
            name,
            `the service is exported to peer ${JSON.stringify(peer)}, which is not a peering of this cluster`,
            '"federate doctor consul" lists the peerings; correct the config entry exported-services',
          ),
        );
  for (const { name, ownedFor } of exports ? ours : []) {
    const open = (exports ?? []).filter(({ peers }) => peers.includes(name)).map((each) => each.name);
    const throughGateway = [...gateway.keys()].some((id) => id.startsWith(`spiffe://${ownedFor}/`));
    if (open.length > 0)
      findings.push(
        noted(
          'services-exported',
          ownedFor ?? name,
          `exported to this trust domain (peer ${name}): ${open.join(', ')}`,
        ),
      );
    else if (!throughGateway)
      findings.push(
        wrong(
          'nothing-exported',
          ownedFor ?? name,
          `no service is exported to peer ${name}; proxies take the roots of a peer only for services that are exported to it`,
          `add {"Name": "<service>", "Consumers": [{"Peer": "${name}"}]} to the config entry exported-services`,
        ),
      );
  }
  return findings;
}

function judgeState({ name, state, ownedFor }: Peering): Finding[] {
  const whose = ownedFor ?? name;
  switch (state) {
    case 'ACTIVE':
      return [];
    case 'TERMINATED':
      return [
        wrong(
          'peering-terminated',
          whose,
          `the peering ${name} was ended; its roots are no longer in the cluster`,
          'the agent creates it again at the next comparison (within a minute); if it does not, see "federate status" and the log of the agent',
        ),
      ];
    case 'DELETING':
      return [
        wrong(
          'peering-deleting',
          whose,
          `the peering ${name} is being deleted; until that is done no new one can take its place`,
          'wait; where it stays so, see the log of the Consul leader',
        ),
      ];
    default:
      return [
        wrong(
          'peering-not-active',
          whose,
          `the peering ${name} is ${state}: the cluster receives nothing from the agent`,
          'is the agent running, and does it reach the gRPC TLS port of the servers? See "federate status"',
        ),
      ];
  }
}

/** Consul keeps bundles by trust domain, and the last one wins. */
function judgeClashes(peerings: readonly Peering[], own: string | undefined): Finding[] {
  const byDomain = new Map<string, string[]>();
  for (const { name, ownedFor, peerTrustDomain } of peerings) {
    const trustDomain = ownedFor ?? peerTrustDomain;
    if (trustDomain !== undefined) byDomain.set(trustDomain, [...(byDomain.get(trustDomain) ?? []), name]);
  }
  return [...byDomain].flatMap(([trustDomain, names]) =>
    names.length > 1 || trustDomain === own
      ? [
          wrong(
            'trust-domain-claimed-twice',
            trustDomain,
            `${trustDomain === own ? 'the own trust domain is' : 'it is'} claimed by ${names.join(' and ')}; Consul keeps one bundle for each trust domain, the one that arrived last`,
            'delete all but one of these peerings',
          ),
        ]
      : [],
  );
}
