import type { Clock } from '../../platform/index.ts';
import type { SpiffeId } from '../../spiffe/index.ts';
import { type Examination, type Finding, noted, wrong } from '../contract/finding.ts';
import { createConsulClient } from './consul-client.ts';
import { type ConsulFacts, readConsulFacts } from './facts.ts';
import { HTTP_PROTOCOLS, judgeIdentity, protocolOf } from './judge-identity.ts';
import { judgePeerings } from './judge-peerings.ts';

export interface ConsulExaminationOptions {
  /** Base URL of the HTTP API. */
  readonly address: string;
  readonly tokenFile?: string;
  /**
   * The token is the agent's own, so it must be able to write peerings; default false: it only
   * reads.
   */
  readonly tokenIsAgents?: boolean;
  /** PEM file with the CA of the API's certificate. Without it the system's trust store decides. */
  readonly caFile?: string;
  readonly datacenter?: string;
  readonly peerNamePrefix?: string;
  /** Foreign identities to examine: whether they reach `service`, and if not, why. */
  readonly identities?: readonly SpiffeId[];
  /**
   * The destination of those identities; without it the sources of all intentions are looked at.
   */
  readonly service?: string;
  /**
   * Which service's leaf a federation gateway shows for which foreign identity, where one is
   * configured.
   */
  readonly gateway?: ReadonlyMap<SpiffeId, string>;
  /** Which service's leaf such a gateway shows for itself. */
  readonly gatewayService?: string;
  /** Services that such a gateway reaches as plain TCP, without reading the protocol. */
  readonly gatewayTcpServices?: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Examines a Consul cluster without changing it. Reports what stops foreign identities, what admits
 * more than it should, and how to repair it. A cluster that cannot be read is a finding too. See
 * docs/meshes/consul.md.
 */
export async function examineConsul(options: ConsulExaminationOptions): Promise<Examination> {
  const { address, tokenFile, caFile, datacenter, peerNamePrefix = 'federate-', clock, signal } = options;
  const client = createConsulClient({ address, tokenFile, caFile, datacenter, clock });
  const gateway = options.gateway ?? new Map<SpiffeId, string>();
  const own = options.gatewayService === undefined ? [] : [options.gatewayService];
  const leafServices = options.tokenIsAgents ? [...own, ...gateway.values()] : [];
  const facts = await readConsulFacts(client, { peerNamePrefix, leafServices }, signal);
  const asked = [...new Set([...(options.identities ?? []), ...gateway.keys()])];
  return {
    mesh: 'consul',
    examined: examinedOf(facts),
    findings: [
      ...facts.findings,
      ...judgeRights(facts, options.tokenIsAgents ?? false),
      ...judgeSettings(facts),
      ...judgePeerings(facts, gateway),
      ...judgeTcpRoutes(options.gatewayTcpServices ?? [], facts),
      ...asked.flatMap((id) => judgeIdentity(id, facts, { service: options.service, leaf: gateway.get(id) })),
    ],
  };
}

function examinedOf({ settings, own, peerings, exports, intentions }: ConsulFacts): string[] {
  return [
    ...(own ? [`own trust domain ${own.trustDomain} (roots: ${own.roots.length})`] : []),
    ...(settings ? [`settings of the Consul agent${settings.version ? ` (${settings.version})` : ''}`] : []),
    ...(peerings ? [`peerings: ${peerings.length}`] : []),
    ...(exports ? [`exported services: ${exports.length}`] : []),
    ...(intentions ? [`destinations with intentions: ${intentions.length}`] : []),
  ];
}

/** A gateway that does not parse HTTP passes on what a client claims about itself. */
function judgeTcpRoutes(services: readonly string[], facts: ConsulFacts): Finding[] {
  return services
    .filter((service) => HTTP_PROTOCOLS.has(protocolOf(service, facts) ?? 'tcp'))
    .map((service) =>
      wrong(
        'gateway-header-forgeable',
        service,
        `the federation gateway reaches it with protocol tcp, and it speaks ${protocolOf(service, facts) ?? ''}: a foreign client can write its own x-forwarded-client-cert`,
        'set protocol: http in that route of mesh.federation_gateway, and export the configuration of the gateway again',
      ),
    );
}

function judgeRights({ rights }: ConsulFacts, tokenIsAgents: boolean): Finding[] {
  return (rights ?? []).flatMap(({ rule, purpose, allowed }) => {
    if (allowed || (purpose === 'peer' && !tokenIsAgents)) return [];
    return [lackOf(rule, purpose)];
  });
}

function lackOf(rule: string, purpose: 'peer' | 'read' | 'leaf'): Finding {
  const where = 'ACL token';
  const advice = `add ${rule} to the policy of the token in token_file`;
  switch (purpose) {
    case 'peer':
      return wrong(
        'token-may-not-peer',
        where,
        'the token of the agent lacks the right to write peerings, so no foreign bundle reaches the cluster',
        advice,
      );
    case 'leaf':
      return wrong(
        'token-may-not-issue',
        where,
        `the token of the agent lacks ${rule}, so the federation gateway gets no certificate of that service`,
        advice,
      );
    case 'read':
      return wrong(
        'token-may-not-read',
        where,
        `the token lacks ${rule}; Consul silently leaves out what the token cannot read, so this examination is not complete`,
        `add ${rule} to the policy of the token for this examination`,
      );
    default:
      return purpose satisfies never;
  }
}

/** The settings without which no peering carries a bundle, and the default of intentions. */
function judgeSettings({ settings, exports }: ConsulFacts): Finding[] {
  const findings: Finding[] = [];
  if (!settings) return findings;
  if (settings.connect === false)
    findings.push(
      wrong(
        'connect-off',
        'Consul',
        'the service mesh is off',
        'set connect { enabled = true } on the servers',
      ),
    );
  if (settings.peering === false)
    findings.push(
      wrong(
        'peering-off',
        'Consul',
        'cluster peering is off, and it is the only place of Consul that keeps foreign roots by trust domain',
        'set peering { enabled = true } on the servers',
      ),
    );
  if (settings.grpcTlsPort !== undefined && settings.grpcTlsPort <= 0)
    findings.push(
      wrong(
        'grpc-tls-off',
        'Consul',
        'the gRPC listener with TLS is off, so peering tokens name no CA and Federate does not dial',
        'set ports { grpc_tls = 8503 } on the servers',
      ),
    );
  if (settings.intentionDefault === 'allow') {
    const open = (exports ?? []).filter(({ peers }) => peers.length > 0).map(({ name }) => name);
    findings.push(
      open.length > 0
        ? wrong(
            'intentions-default-allow',
            open.join(', '),
            'intentions allow by default, so every identity of every trust domain these services are exported to passes',
            'set default_intention_policy = "deny" (or ACLs with default_policy = "deny"), or add an intention with source "*" and action "deny" to each',
          )
        : noted(
            'intentions-default-allow',
            'Consul',
            'intentions allow by default: what is exported to a peer is open to its whole trust domain',
            'set default_intention_policy = "deny" before services are exported',
          ),
    );
  }
  return findings;
}
