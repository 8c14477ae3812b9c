import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HistoryDocument, RelationshipDocument } from '../../src/dashboard/index.ts';
import { presentCa, until } from '../../test/e2e/agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from '../support/agents.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { Spire } from '../support/spire.ts';
import { spireAdapterChecks } from '../support/spire-adapter-checks.ts';

/** SPIRE, which federates by the same standard: each polls the other, its workloads get our roots, and our adapter writes into it. */
export const spire: InteropProgram = {
  name: 'spire',
  variable: 'FEDERATE_SPIRE_SERVER',
  command: 'spire-server',
  version: (executable) => firstLineOf(executable, ['-version']),
  install: 'a SPIRE release; spire-agent beside spire-server',
  checks: [
    {
      name: 'we poll it through prepare, activate, taint and revoke, and write nothing for equal content',
      run: pollSpire,
    },
    { name: 'it polls us (https_spiffe) and sees a rotation', run: spirePollsUs },
    { name: 'a workload gets our roots through its agent', run: workloadGetsOurRoots },
    ...spireAdapterChecks,
  ],
};

const OURS = 'a.example';

async function withOurs(work: (ours: RunningAgent, agents: Agents) => Promise<void>): Promise<void> {
  await using agents = await startAgents([{ trustDomain: OURS, profile: 'https_spiffe' }]);
  const [ours] = agents.all;
  assert(ours);
  await work(ours, agents);
}

async function pollSpire(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await withOurs(async ({ home }, agents) => {
    const bundle = agents.file('spire.json');
    writeFileSync(bundle, server.say('bundle', 'show', '-format', 'spiffe'));
    const words = [
      '--peer',
      server.endpointUrl,
      '--trust-domain',
      'spire.example',
      '--profile',
      'https_spiffe',
    ];
    const proof = ['--endpoint-id', 'spiffe://spire.example/spire/server', '--bundle', bundle];
    assert.equal((await home.ask('add', ...words, ...proof)).code, 0);
    const history = async () =>
      (await home.ask<HistoryDocument>('bundle', 'history', 'spire.example')).answer.versions;
    for (let poll = 0; poll < 5; poll += 1) await home.ask('refresh', 'spire.example');
    assert.equal(
      (await history()).length,
      1,
      'equal content is one version, in whichever order its keys come',
    );

    const authority = (command: string, member: string, ...more: readonly string[]): string => {
      const said = JSON.parse(server.say('localauthority', 'x509', command, '-output', 'json', ...more));
      return said[member].authority_id;
    };
    const old = authority('show', 'active');
    const prepared = authority('prepare', 'prepared_authority');
    await until('the prepared authority', async () => {
      await home.ask('refresh', 'spire.example');
      return (await history()).length === 2;
    });
    server.say('localauthority', 'x509', 'activate', '-authorityID', prepared);
    server.say('localauthority', 'x509', 'taint', '-authorityID', old);
    server.say('localauthority', 'x509', 'revoke', '-authorityID', old);
    await until('the revoked authority to go', async () => {
      await home.ask('refresh', 'spire.example');
      return (await history()).some(({ removed }) => removed.length > 0);
    });
    const { answer } = await home.ask<RelationshipDocument>('show', 'spire.example');
    assert.equal(answer.state, 'active');
  });
}

/** Has SPIRE federate with us, with our bundle of now. */
async function federate(server: Spire, { home }: RunningAgent, agents: Agents): Promise<void> {
  const bundle = agents.file('ours.json');
  writeFileSync(bundle, (await home.ask<{ document: string }>('bundle', 'show')).answer.document);
  server.say(
    'federation',
    'create',
    '-trustDomain',
    OURS,
    '-bundleEndpointURL',
    home.url,
    '-bundleEndpointProfile',
    'https_spiffe',
    '-endpointSpiffeID',
    `spiffe://${OURS}/federate`,
    '-trustDomainBundlePath',
    bundle,
    '-trustDomainBundleFormat',
    'spiffe',
  );
}

async function spirePollsUs(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await withOurs(async (ours, agents) => {
    await federate(server, ours, agents);
    assert.equal(server.federatedKeys(OURS), 1);
    ours.home.writeRoots(ours.ca, await presentCa(OURS, 'CN=a second root'));
    await until('SPIRE to have the second root', () => {
      server.say('federation', 'refresh', '-id', OURS);
      return server.federatedKeys(OURS) === 2;
    });
  });
}

async function workloadGetsOurRoots(executable: string): Promise<void> {
  const agentExecutable = join(dirname(executable), 'spire-agent');
  assert(existsSync(agentExecutable), `there is no spire-agent beside ${executable}`);
  await using server = await Spire.start(executable);
  await withOurs(async (ours, agents) => {
    await federate(server, ours, agents);
    const { agent, socket } = await server.startAgent(agentExecutable);
    await using _agent = agent;
    server.say(
      'entry',
      'create',
      '-parentID',
      'spiffe://spire.example/node',
      '-spiffeID',
      'spiffe://spire.example/workload',
      '-selector',
      `unix:uid:${process.getuid?.() ?? 0}`,
      '-federatesWith',
      OURS,
    );
    await agent.until('the workload to get our roots', () => {
      const words = ['api', 'fetch', 'x509', '-socketPath', socket];
      return spawnSync(agentExecutable, words, { encoding: 'utf8', timeout: 10_000 }).stdout.includes(OURS);
    });
  });
}
