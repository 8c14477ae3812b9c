import { type SpiffeId, trustDomainOf } from '../../spiffe/index.ts';
import { type Finding, noted, wrong } from '../contract/finding.ts';
import { consulServiceIdOf } from './consul-id.ts';
import type { ConsulFacts, IntentionSource, ServiceIntentions } from './facts.ts';

/** The protocols that Consul's proxies handle as HTTP. */
export const HTTP_PROTOCOLS: ReadonlySet<string> = new Set(['http', 'http2', 'grpc']);

/**
 * Judges whether a foreign identity passes the intentions of `service` (of any destination where no
 * service is named), why not, and what would let it pass. With `leaf` the identity arrives through
 * a federation gateway that presents the leaf of that service. Pure.
 */
export function judgeIdentity(
  id: SpiffeId,
  facts: ConsulFacts,
  { service, leaf }: { readonly service: string | undefined; readonly leaf: string | undefined },
): Finding[] {
  const { intentions } = facts;
  if (!intentions) return [];
  const trustDomain = trustDomainOf(id);
  const peering = facts.peerings?.find(
    ({ ownedFor, peerTrustDomain }) => (ownedFor ?? peerTrustDomain) === trustDomain,
  );
  if (!peering && facts.peerings) {
    return [
      wrong(
        'identity-not-federated',
        id,
        `no peering carries the roots of ${trustDomain}, so its TLS handshake fails`,
        `federate with ${trustDomain} first ("federate add")`,
      ),
    ];
  }
  if (leaf !== undefined) return [judgeSource(id, { name: leaf }, intentions, facts, service)];
  if (!peering) return [];
  const consulId = consulServiceIdOf(id);
  if (!consulId || consulId.namespace !== 'default') {
    return [
      wrong(
        'identity-not-consul-form',
        id,
        `its TLS handshake passes, but intentions match only IDs of the form spiffe://${trustDomain}/ns/default/dc/<dc>/svc/<service>, and its path is another`,
        'give it a Consul service of its own through a federation gateway (mesh.federation_gateway, "federate export-config --for consul-gateway"), or let it be issued an ID of that form',
      ),
    ];
  }
  const exported = facts.exports?.some(
    ({ name, peers }) =>
      peers.includes(peering.name) && (service === undefined || name === service || name === '*'),
  );
  if (exported === false) {
    return [
      wrong(
        'service-not-exported',
        service ?? id,
        `${service === undefined ? 'no service is' : `${service} is not`} exported to peer ${peering.name}, so its proxies do not know the roots of ${trustDomain}`,
        `add the service to the config entry exported-services, with consumer peer "${peering.name}"`,
      ),
    ];
  }
  const protocol = protocolOf(service, facts);
  if (protocol !== undefined && HTTP_PROTOCOLS.has(protocol)) {
    return [
      wrong(
        'intention-wants-mesh-gateway',
        service ?? id,
        `the protocol is ${protocol}, so Consul matches intentions for a peer against x-forwarded-client-cert of its own mesh gateway and not against the certificate`,
        'route the identity through a federation gateway, or set the protocol of the service to tcp',
      ),
    ];
  }
  return [judgeSource(id, { name: consulId.service, peer: peering.name }, intentions, facts, service)];
}

/**
 * The protocol of a service, or the default of all services. Undefined where no config entry sets
 * it.
 */
export function protocolOf(service: string | undefined, { protocols }: ConsulFacts): string | undefined {
  return (service === undefined ? undefined : protocols?.get(service)) ?? protocols?.get('*');
}

function judgeSource(
  id: SpiffeId,
  source: Pick<IntentionSource, 'name' | 'peer'>,
  intentions: readonly ServiceIntentions[],
  { settings }: ConsulFacts,
  service: string | undefined,
): Finding {
  const target = service ?? 'any service';
  const what = `source ${JSON.stringify(source.name)}${source.peer === undefined ? '' : ` of peer ${JSON.stringify(source.peer)}`}`;
  const found = deciding(source, intentions, service);
  const entry = `{"Name": ${JSON.stringify(source.name)}, ${source.peer === undefined ? '' : `"Peer": ${JSON.stringify(source.peer)}, `}"Action": "allow"}`;
  if (found?.action === 'allow')
    return noted('identity-passes', id, `it reaches ${target}: an intention allows ${what}`);
  if (found?.action === 'permissions')
    return noted(
      'identity-passes-by-request',
      id,
      `whether it passes hangs on the request: an intention for ${what} has permissions`,
    );
  if (found)
    return wrong(
      'intention-denies',
      id,
      `an intention of ${target} denies ${what}`,
      `add the source ${entry} to the config entry service-intentions of ${service ?? 'the service'}`,
    );
  if (settings?.intentionDefault === 'allow')
    return noted(
      'identity-passes',
      id,
      `it reaches ${target}: no intention says otherwise and the default is to allow`,
    );
  return wrong(
    'intention-missing',
    id,
    `no intention of ${target} names ${what}, and what no intention allows is denied`,
    `add the source ${entry} to the config entry service-intentions of ${service ?? 'the service'}`,
  );
}

/**
 * Returns the intention that decides: an exact destination precedes `*`, and then an exact source
 * precedes `*`.
 */
function deciding(
  { name, peer }: Pick<IntentionSource, 'name' | 'peer'>,
  intentions: readonly ServiceIntentions[],
  service: string | undefined,
): IntentionSource | undefined {
  const sources = (destination: (name: string) => boolean) =>
    intentions.filter((each) => destination(each.destination)).flatMap((each) => each.sources);
  const exactly = sources((each) => (service === undefined ? each !== '*' : each === service));
  const wide = sources((each) => each === '*');
  for (const among of [exactly, wide]) {
    const mine = among.filter((each) => each.peer === peer);
    const found = mine.find((each) => each.name === name) ?? mine.find((each) => each.name === '*');
    if (found) return found;
  }
  return undefined;
}
