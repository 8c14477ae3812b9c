import { type Command, Option } from 'commander';
import type { BundleDocument, StatusDocument } from '../../admin-client/index.ts';
import { CodedError } from '../../errors/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import type { ExportedTrust, ExportTarget } from '../export-targets/exported-trust.ts';
import { exportForIstio } from '../export-targets/istio.ts';
import { exportForSpireControllerManager } from '../export-targets/spire-controller-manager.ts';
import { exportForSpire } from '../export-targets/spire.ts';
import { exportForTeleport } from '../export-targets/teleport.ts';
import { type Terminal, UsageError } from '../terminal.ts';

const TARGETS = {
  spire: exportForSpire,
  'spire-controller-manager': exportForSpireControllerManager,
  istio: exportForIstio,
  teleport: exportForTeleport,
} satisfies Readonly<Record<string, ExportTarget>>;

/** Not for a peer but for ourselves: the Envoy that lets foreign identities into a Consul. */
const GATEWAY = 'consul-gateway';
/** Likewise: the Envoy that takes the place of a `federate sidecar` or `federate gateway`. */
const ENVOY = 'envoy';

interface ExportOptions extends AgentOptions {
  readonly for: keyof typeof TARGETS | typeof GATEWAY | typeof ENVOY;
  readonly config?: string;
  readonly trustSocket?: string;
  readonly trust?: string;
}

/**
 * `federate export-config`: what a peer that runs something else puts into its own configuration to
 * trust us.
 */
export function exportConfigCommand(program: Command, terminal: Terminal): void {
  withAgent(program.command('export-config'))
    .description('ready configuration, with our bundle in it, for a peer that runs something else')
    .addOption(
      new Option('--for <product>', 'what the peer runs; envoy and consul-gateway are proxies of our own')
        .choices([...Object.keys(TARGETS), ENVOY, GATEWAY])
        .makeOptionMandatory(),
    )
    .option(
      '-c, --config <file>',
      "with envoy: a sidecar's or a gateway's config; with consul-gateway: the agent's, whose mesh.federation_gateway is rendered",
    )
    .option(
      '--trust-socket <path>',
      "with envoy: the agent's workload socket, where the trust comes from there",
    )
    .option('--trust <secret>', 'with envoy: the SDS secret with the trust, such as ALL')
    .addHelpText(
      'after',
      `
Examples:
  $ federate export-config --for spire
  $ federate export-config --for spire-controller-manager > federate.yaml
  $ federate export-config --for envoy --config sidecar.yaml > envoy.json
  $ federate export-config --for envoy --config sidecar.yaml \\
      --trust-socket /run/federate/workload.sock --trust ALL > envoy.json
  $ federate export-config --for consul-gateway --config agent.yaml > gateway.json
  $ envoy -c gateway.json

What is printed holds no secret, but our roots: send it by a way on which it cannot
be changed. The other direction, our trust in them, is "federate add".`,
    )
    .action(async (options: ExportOptions) => {
      if (options.for !== ENVOY && (options.trustSocket !== undefined || options.trust !== undefined))
        throw new UsageError(`--trust and --trust-socket go with --for ${ENVOY}`);
      if (options.for === GATEWAY) {
        await printGateway(options, terminal);
        return;
      }
      if (options.for === ENVOY) {
        await printEnvoy(options, terminal);
        return;
      }
      if (options.config !== undefined)
        throw new UsageError(`--config goes with --for ${ENVOY} and --for ${GATEWAY}`);
      const agent = agentFor(options);
      const status = await agent.call('GET /v1/status');
      const { trust_domain: name } = status;
      if (name === null || status.own === null)
        throw new CodedError(
          'own-bundle-unknown',
          'there is nothing to export yet: our own mesh has not reported its roots yet',
        );
      const trust = await trustOf(
        name,
        status,
        await agent.call('GET /v1/bundles/{trust_domain}', { params: { trust_domain: name } }),
      );
      const config = await TARGETS[options.for](trust);
      const answer = { for: options.for, trust_domain: name, config };
      terminal.result(answer, () => config);
    });
}

/** Reads everything from the config of the process that Envoy replaces. Asks no agent. */
async function printEnvoy(
  { config: file, trustSocket, trust }: ExportOptions,
  terminal: Terminal,
): Promise<void> {
  if (file === undefined)
    throw new UsageError(`--for ${ENVOY} needs --config, the config of a sidecar or of a gateway`);
  const { renderEnvoy } = await import('../../envoy/index.ts');
  const { stands_for: standsFor, bootstrap } = await renderEnvoy(file, {
    ...defined({ socket: trustSocket, resource: trust }),
  });
  const config = JSON.stringify(bootstrap, undefined, 2);
  terminal.result({ for: ENVOY, stands_for: standsFor, config }, () => config);
}

/** The own trust domain is in the config, or known to the agent that runs with it. */
async function printGateway({ config: file, output }: ExportOptions, terminal: Terminal): Promise<void> {
  if (file === undefined) throw new UsageError(`--for ${GATEWAY} needs --config, the agent's config`);
  const { renderFederationGateway } = await import('../../envoy/index.ts');
  const { trustDomain, bootstrap } = await renderFederationGateway(file, async (socket) => {
    const { trust_domain: name } = await agentFor({ socket, output }).call('GET /v1/status');
    if (name !== null) return name;
    throw new CodedError(
      'own-bundle-unknown',
      'there is nothing to export yet: our own mesh has not reported its trust domain yet',
    );
  });
  const config = JSON.stringify(bootstrap, undefined, 2);
  terminal.result({ for: GATEWAY, trust_domain: trustDomain, config }, () => config);
}

async function trustOf(
  name: string,
  { endpoint }: StatusDocument,
  { document }: BundleDocument,
): Promise<ExportedTrust> {
  const { defaultBundleLimits, parseBundle, parseTrustDomain } = await import('../../spiffe/index.ts');
  const { bundle } = parseBundle(
    parseTrustDomain(name),
    Buffer.from(document, 'utf8'),
    defaultBundleLimits,
    'readable',
  );
  return {
    trustDomain: name,
    endpointUrl: endpoint.url,
    profile: endpoint.profile === 'https_spiffe' ? 'https_spiffe' : 'https_web',
    endpointId: endpoint.endpoint_id ?? undefined,
    document,
    roots: bundle.x509Authorities,
  };
}
