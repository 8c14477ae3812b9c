import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { presentCa, until } from '../../testkit/agent-process.ts';
import { startAgents } from '../../testkit/running-agents.ts';
import { Child } from '../support/child.ts';
import type { InteropCheck } from '../support/program.ts';
import { OURS, THEIRS } from '../support/spire-peers.ts';
import { Spire } from '../support/spire.ts';
import { federate as trust } from './beside.ts';
import { Cluster } from './cluster.ts';
import { apiServerBeside } from './executables.ts';
import { runVerb } from '../../testkit/run-verb.ts';

const OBJECTS = '/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains';

/** The definition of what we render, which the controller manager ships. */
export function definitionBeside(executable: string): string {
  return join(dirname(executable), 'spire.spiffe.io_clusterfederatedtrustdomains.yaml');
}

/** What is checked with it; `spireServer` finds the server that it manages. */
export function spireControllerManagerChecks(spireServer: () => string | undefined): readonly InteropCheck[] {
  const beside = (work: (world: World) => Promise<void>) => (executable: string) =>
    withWorld(executable, spireServer() ?? '', work);
  return [
    {
      name: 'what export-config renders is valid to the letter, and becomes a relationship that rotates and goes',
      run: beside(rendered),
    },
    {
      name: 'it leaves alone what the SPIRE adapter pushes, and takes out relationships that it does not know',
      run: beside(strangers),
    },
  ];
}

interface World {
  readonly cluster: Cluster;
  readonly server: Spire;
}

async function withWorld(
  executable: string,
  spireServer: string,
  work: (world: World) => Promise<void>,
): Promise<void> {
  await using cluster = await Cluster.start(apiServerBeside() ?? '');
  await cluster.define(parse(readFileSync(definitionBeside(executable), 'utf8')));
  await using server = await Spire.start(spireServer);
  const config = server.file('manager.yaml');
  writeFileSync(
    config,
    `apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: cluster
clusterDomain: cluster.local
trustDomain: ${THEIRS}
watchClassless: true
gcInterval: 1000000000
spireServerSocketPath: ${server.socket}
metrics: { bindAddress: "0" }
health: { healthProbeBindAddress: "0" }
reconcile: { clusterFederatedTrustDomains: true, clusterSPIFFEIDs: false, clusterStaticEntries: false }
`,
  );
  // Its webhook is reached through a Service, which nobody routes here.
  const env = { ENABLE_WEBHOOKS: 'false', KUBECONFIG: cluster.writeAdminKubeconfig() };
  await using manager = new Child(executable, ['-config', config], env);
  await manager.until('it began', () => `${manager.out}${manager.err}`.includes('Starting workers'));
  await work({ cluster, server });
}

async function rendered({ cluster, server }: World): Promise<void> {
  await using agents = await startAgents([{ trustDomain: OURS, profile: 'https_spiffe' }]);
  const [ours] = agents.all;
  assert(ours);
  const { out } = await runVerb(
    'export-config',
    '--for',
    'spire-controller-manager',
    '--socket',
    ours.home.socket,
  );
  // Strict: a field that the definition does not have is an error, and not dropped in silence.
  await cluster.call('POST', `${OBJECTS}?fieldValidation=Strict`, parse(out));
  await until('the relationship', () => server.say('federation', 'list').includes(ours.home.url));
  assert.equal(server.federatedKeys(OURS), 1, 'it comes with our bundle');
  ours.home.writeRoots(ours.ca, await presentCa(OURS, 'CN=second'));
  await until('SPIRE to have both roots', () => {
    server.say('federation', 'refresh', '-id', OURS);
    return server.federatedKeys(OURS) === 2;
  });
  await cluster.call('DELETE', `${OBJECTS}/${OURS}`);
  await until('the relationship to go', () => !server.say('federation', 'list').includes(OURS));
  assert.equal(server.federatedKeys(OURS), 2, 'the bundle of before is the operator’s to take out');
}

async function strangers({ server }: World): Promise<void> {
  await using agents = await startAgents([
    {
      trustDomain: THEIRS,
      profile: 'https_web',
      config: { mesh: { kind: 'spire', socket: server.socket, poll: '250ms' } },
    },
    { trustDomain: OURS, profile: 'https_spiffe' },
  ]);
  const [beside, peer] = agents.all;
  assert(beside && peer);
  await trust(beside, peer);
  await until('the bundle', () => server.say('bundle', 'list').includes(OURS));
  const third = ['-trustDomain', 'third.example', '-bundleEndpointURL', 'https://127.0.0.1:9/'];
  server.say('federation', 'create', ...third, '-bundleEndpointProfile', 'https_web');
  // That it takes out what it does not know shows that it has looked.
  await until('the stranger to go', () => !server.say('federation', 'list').includes('third.example'));
  assert.equal(server.federatedKeys(OURS), 1);
}
