import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { presentCa, until } from '../../testkit/agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { InteropCheck } from './program.ts';
import { OURS, spireTrustsUs, withOurs } from './spire-peers.ts';
import { Spire } from './spire.ts';
import { until as untilLong } from './until.ts';

const WEB = 'w.example';

/** SPIRE asks our endpoint, and its store has what we publish. */
export const spirePollsUsChecks: readonly InteropCheck[] = [
  { name: 'it polls us (https_spiffe, federation create) and sees a rotation', run: seesRotation },
  {
    name: 'it polls us on both profiles by what export-config prints for its configuration, and unasked sees a root come and go',
    run: byConfiguration,
  },
  { name: 'it polls us on both profiles by the command that export-config prints', run: byCommand },
  { name: 'it takes nothing from an endpoint of ours that it cannot prove', run: takesNothingUnproven },
];

async function seesRotation(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await withOurs(async (ours, agents) => {
    await spireTrustsUs(server, ours, agents);
    assert.equal(server.federatedKeys(OURS), 1);
    ours.home.writeRoots(ours.ca, await presentCa(OURS, 'CN=a second root'));
    await refreshedTo(server, OURS, 2);
    ours.home.writeRoots(ours.ca);
    await refreshedTo(server, OURS, 1);
  });
}

/** Has SPIRE ask until it holds so many keys. */
function refreshedTo(server: Spire, trustDomain: string, keys: number): Promise<void> {
  return until(`SPIRE to have ${keys} keys of ${trustDomain}`, () => {
    server.say('federation', 'refresh', '-id', trustDomain);
    return server.federatedKeys(trustDomain) === keys;
  });
}

/** Two agents of ours, and the CA of the second's certificate in a file. */
async function bothProfiles(): Promise<Agents & { readonly caFile: string }> {
  const agents = await startAgents([
    { trustDomain: OURS, profile: 'https_spiffe' },
    { trustDomain: WEB, profile: 'https_web' },
  ]);
  const caFile = agents.file('web-ca.pem');
  writeFileSync(caFile, pemFromCertificates([agents.webCa.root]));
  return { ...agents, caFile };
}

async function exported({ home }: Pick<RunningAgent, 'home'>): Promise<string> {
  return (await home.ask<{ config: string }>('export-config', '--for', 'spire')).answer.config;
}

/** The line for a shell that a comment of the exported configuration holds. */
function lineWith(config: string, command: string): string {
  const line = config.split('\n').find((each) => each.includes(`| ${command}`));
  assert(line, `there is no line with "${command}" in:\n${config}`);
  return line.replace(/^# */, '');
}

async function byConfiguration(executable: string): Promise<void> {
  await using agents = await bothProfiles();
  const [spiffe, web] = agents.all;
  assert(spiffe && web);
  const configs = [await exported(spiffe), await exported(web)];
  await using server = await Spire.start(executable, { env: { SSL_CERT_FILE: agents.caFile } });
  server.shell(lineWith(configs[0] ?? '', 'spire-server bundle set'));
  await server.stop();
  server.configure(configs.join('\n'));
  await server.start();
  await refreshedTo(server, OURS, 1);
  assert.equal(server.federated(OURS).spiffe_refresh_hint, 1, 'our refresh hint, in seconds');
  await refreshedTo(server, WEB, 1);
  for (const { home, ca } of [spiffe, web])
    home.writeRoots(ca, await presentCa(home.trustDomain, `CN=${home.trustDomain} second root`));
  const both = () => [server.federatedKeys(OURS), server.federatedKeys(WEB)].join();
  // It asks four times within a hint, and takes ours of a second for a minute.
  await untilLong('both to have two roots, unasked', () => both() === '2,2');
  for (const { home, ca } of [spiffe, web]) home.writeRoots(ca);
  await untilLong('both to have one root again, unasked', () => both() === '1,1');
}

async function byCommand(executable: string): Promise<void> {
  await using agents = await bothProfiles();
  await using server = await Spire.start(executable, { env: { SSL_CERT_FILE: agents.caFile } });
  for (const { home, ca } of agents.all) {
    server.shell(lineWith(await exported({ home }), 'spire-server federation create'));
    home.writeRoots(ca, await presentCa(home.trustDomain, `CN=${home.trustDomain} second root`));
    await refreshedTo(server, home.trustDomain, 2);
  }
}

async function takesNothingUnproven(executable: string): Promise<void> {
  await using agents = await bothProfiles();
  const [spiffe, web] = agents.all;
  assert(spiffe && web);
  // The CA of the second's certificate is not among those of this machine.
  await using server = await Spire.start(executable);
  server.shell(lineWith(await exported(web), 'spire-server federation create'));
  assert.throws(
    () => server.say('federation', 'refresh', '-id', WEB),
    /certificate signed by unknown authority/,
  );
  const line = lineWith(await exported(spiffe), 'spire-server federation create');
  server.shell(line.replace(`spiffe://${OURS}/federate`, `spiffe://${OURS}/somebody-else`));
  assert.throws(() => server.say('federation', 'refresh', '-id', OURS), /unexpected ID/);
  server.say('federation', 'delete', '-id', OURS);
  server.say('bundle', 'delete', '-id', OURS);
  const forger = await presentCa(OURS, `CN=${OURS} root`);
  const forged = agents.file('forged.pem');
  writeFileSync(forged, pemFromCertificates([forger.root]));
  server.say('bundle', 'set', '-id', `spiffe://${OURS}`, '-path', forged);
  server.shell(line.replace(/,"trustDomainBundleFormat".*(?=\}\]\})/, ''));
  assert.throws(() => server.say('federation', 'refresh', '-id', OURS), /could not verify leaf certificate/);
  assert.equal(server.federatedKeys(OURS), 1);
}
