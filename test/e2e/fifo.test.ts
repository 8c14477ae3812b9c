import { execFileSync, spawnSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelationshipDocument, RemovedDocument, StatusDocument } from '../../src/admin-client/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { FederateProcess, until } from '../../testkit/agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';

let agents: Agents;
let a: RunningAgent['home'];
let b: RunningAgent;
let signed: string;

function putFifo(path: string): void {
  const fifo = `${path}.fifo`;
  execFileSync('mkfifo', [fifo]);
  renameSync(fifo, path);
}

describe('a FIFO in the place of a signed bundle', () => {
  /** `b` takes the bundle of `a` from a file, which is then replaced by a FIFO that nobody writes into. */
  beforeEach(async () => {
    agents = await startAgents([
      { trustDomain: 'a.example', profile: 'https_spiffe' },
      { trustDomain: 'b.example', profile: 'https_spiffe' },
    ]);
    const [first, second] = agents.all as [RunningAgent, RunningAgent];
    a = first.home;
    b = second;
    signed = agents.file('a.jws');
    await a.ask('bundle', 'sign', '--file', signed);
    const { answer } = await a.ask<StatusDocument>('status');
    const signer = ['--signed', '--signer', 'spiffe://a.example/federate'];
    await b.home.ask(
      'add',
      '--peer',
      `file://${signed}`,
      '--trust-domain',
      'a.example',
      ...signer,
      '--pin',
      answer.own?.pin ?? '',
    );
    await until('the file', () => b.home.foreign('a.example.pem') !== '');
    putFifo(signed);
  });
  afterEach(() => agents[Symbol.asyncDispose]());

  it('is refused by a poll, keeps the last good bundle, and does not stop the agent from ending', async () => {
    const refreshed = await b.home.ask<unknown>('refresh', 'a.example');
    expect(JSON.stringify(refreshed.answer)).toContain('file-unreadable');
    const { answer } = await b.home.ask<RelationshipDocument>('show', 'a.example');
    expect(answer).toMatchObject({ state: 'failing', authorities: 1 });
    expect(await b.agent.end('SIGTERM')).toMatchObject({ code: 0, signal: null });
  });

  it('does not keep the trust from being removed', async () => {
    const { code, answer } = await b.home.ask<RemovedDocument>('remove', 'a.example');
    expect([code, answer.in_mesh]).toEqual([0, null]);
  });
});

describe('a FIFO that is named to a process', () => {
  it.each([
    ['as the config of an agent', (fifo: string) => ['agent', '--config', fifo]],
    ['as a config to be checked', (fifo: string) => ['check-config', fifo]],
    ['as a chain to be verified', (fifo: string) => ['verify', fifo]],
    ['as a token to be verified', (fifo: string) => ['verify', '--jwt', fifo, '--audience', 'a']],
    ['as a history to be verified', (fifo: string) => ['history', 'verify', fifo]],
    ['as a bundle', (fifo: string) => ['bundle', 'set', 'a.example', fifo, '--reason', 'test']],
  ])('ends it with an error: %s', async (_what, words) => {
    using folder = tempDir();
    const fifo = folder.file('fifo');
    execFileSync('mkfifo', [fifo]);
    const { code, err } = await new FederateProcess(words(fifo)).ended;
    expect([code === 0, err]).toEqual([false, expect.stringContaining('is not a regular file')]);
  });

  it('is read where a shell hands the output of a command over', async () => {
    using folder = tempDir();
    const entry = resolve(import.meta.dirname, '../../bin/federate.js');
    const line = `"${process.execPath}" "${entry}" verify <(echo nonsense) --socket "${folder.file('none')}"`;
    const { status, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
    // The text was read, and it is the agent that is missing.
    expect([status, stderr]).toEqual([3, expect.stringContaining('[agent-unreachable]')]);
  });
});
