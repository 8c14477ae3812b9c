import { keepSocket, type ProcessContext, type RunningPart } from '../../platform/index.ts';
import { ConsulLeaves } from '../../mesh-adapters/index.ts';
import {
  createNobodysRoot,
  currentPart,
  parseTrustDomain,
  pemFromCertificates,
  type TrustBundle,
  type TrustDomain,
  trustDomainOf,
} from '../../spiffe/index.ts';
import { FittedTrust, type SdsSecret, SdsServer } from '../../workload-api/index.ts';
import { unservedWarning, type WarningDocument } from '../../admin/index.ts';
import type { AgentConfig, FederationGatewayConfig } from '../../config/index.ts';
import { defined } from '../../objects/index.ts';
import { gatewaySecrets } from './secrets.ts';

const NOBODY = parseTrustDomain('nobody.invalid');

/** The agent's part of the federation gateway: what its Envoy receives. */
export interface FederationGatewayPart extends RunningPart {
  /**
   * Opens the socket and follows Consul's leaves. Throws `WorkloadApiError` `socket-in-use`,
   * `socket-failed`.
   */
  start(): Promise<void>;
  /** A bundle, foreign or our own, may be another now. */
  trustChanged(): void;
  /** Sends what is trusted now to each Envoy that holds something else. Gives true when one did. */
  correct(): boolean;
  /** Peers that the socket does not give out, or not with all of their roots. */
  warnings(): readonly WarningDocument[];
}

/**
 * Serves the Envoy of a federation gateway, where the config describes one: the leaf of a Consul
 * service for each foreign identity, the admitted identities by trust domain, and our own roots. It
 * uses SDS on a separate socket, because it gives out private keys.
 */
export async function createFederationGateway(
  { mesh }: Pick<AgentConfig, 'mesh'>,
  own: { readonly current: TrustBundle | undefined },
  foreign: { list(): readonly TrustBundle[] },
  { clock, random, log: outer }: ProcessContext,
): Promise<FederationGatewayPart | undefined> {
  if (mesh.kind !== 'consul' || mesh.federation_gateway === undefined) return undefined;
  const { address, token_file: tokenFile, ca_file: caFile, federation_gateway: gateway } = mesh;
  const sdsSocket = gateway.sds_socket;
  const nobody = await createNobodysRoot(clock.now());
  const log = outer.with({ part: 'federation-gateway' });
  const services = [gateway.service, ...gateway.identities.map(({ service }) => service)];
  const named = new Set(gateway.identities.map((each) => trustDomainOf(each.spiffe_id)));
  const byName = new Map(services.map((service) => [gatewaySecrets.leaf(service), service]));
  const leaves = new ConsulLeaves({
    address,
    ...defined({ tokenFile, caFile }),
    services,
    onChange: (service) => server.pushChanged([gatewaySecrets.leaf(service)]),
    clock,
    random,
    log,
  });
  const fitted = new FittedTrust({ clock, log });
  const trusted = () => {
    const bundles = foreign
      .list()
      .filter(({ trustDomain }) => named.has(trustDomain))
      .map((bundle) => currentPart(bundle, clock.now()));
    const { foreign: given, unserved } = fitted.of(undefined, bundles);
    fitted.note(unserved);
    return given;
  };
  const server = new SdsServer({
    secrets: (name): SdsSecret | undefined => {
      if (name === gatewaySecrets.foreign)
        return foreignSecret(gateway, own.current?.trustDomain, trusted(), nobody);
      if (name === gatewaySecrets.own)
        return own.current && ownSecret(currentPart(own.current, clock.now()), nobody);
      const leaf = leaves.current(byName.get(name) ?? '');
      return leaf && { name, kind: 'certificate', chainPem: leaf.chainPem, keyPem: leaf.keyPem };
    },
    log,
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  let keeping: Promise<void> | undefined;
  return {
    start: async () => {
      await server.start(sdsSocket);
      keeping = keepSocket({ path: sdsSocket, reopen: () => server.reopen(), clock, log, signal });
      leaves.start();
      log.info('federation gateway served', { socket: sdsSocket, identities: gateway.identities.length });
    },
    trustChanged: () => void server.pushChanged([gatewaySecrets.foreign, gatewaySecrets.own]),
    correct: () => server.pushChanged(),
    warnings: () => fitted.unserved.map((each) => unservedWarning('the federation gateway', each)),
    stop: async () => {
      stopping.abort();
      await keeping;
      await leaves.stop();
      await server.stop();
    },
  };
}

/**
 * The validator for clients from outside: the listed identities, each by the roots of its own trust
 * domain. Envoy refuses a validator without a trust domain and keeps the last one. So where none is
 * left, a root with a key that does not exist takes its place.
 */
function foreignSecret(
  { identities }: FederationGatewayConfig,
  own: TrustDomain | undefined,
  bundles: readonly TrustBundle[],
  nobody: string,
): SdsSecret {
  const ids = identities.map((each) => each.spiffe_id).filter((id) => trustDomainOf(id) !== own);
  const domains = new Set(ids.map(trustDomainOf));
  const trusted = bundles.filter(
    ({ trustDomain, x509Authorities }) => domains.has(trustDomain) && x509Authorities.length > 0,
  );
  // An empty list of names would let in all.
  const allowed = ids.length > 0 ? ids : [`spiffe://${NOBODY}/`];
  return {
    name: gatewaySecrets.foreign,
    kind: 'spiffe-validation',
    trustDomains: trusted.length > 0 ? trusted.map(trustOf) : [{ name: NOBODY, trustBundlePem: nobody }],
    allowedUriSans: allowed.map((exact) => ({ exact })),
  };
}

/** The validator for servers inside: our own roots, or none once there are none. */
function ownSecret(own: TrustBundle, nobody: string): SdsSecret {
  const trust =
    own.x509Authorities.length > 0 ? trustOf(own) : { name: own.trustDomain, trustBundlePem: nobody };
  return { name: gatewaySecrets.own, kind: 'spiffe-validation', trustDomains: [trust] };
}

function trustOf({ trustDomain, x509Authorities }: TrustBundle) {
  return { name: trustDomain, trustBundlePem: pemFromCertificates(x509Authorities.map(({ der }) => der)) };
}
