import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HeadDocument, StatusDocument, StoryDocument } from '../../src/admin-client/index.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { until } from '../../testkit/agent-process.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { doctorStore } from '../store/doctored-store.ts';

/** Two agents with SVIDs that federate, as two operators have them. Each test has a pair of its own. */
let agents: Agents;
let a: RunningAgent;
let b: RunningAgent;
beforeEach(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  [a, b] = agents.all as [RunningAgent, RunningAgent];
  await a.add(b);
  await b.add(a);
  writeFileSync(agents.file('own.pem'), pemFromCertificates([a.ca.root]));
});
afterEach(() => agents[Symbol.asyncDispose]());

/** Ends an agent in order, which signs its history. */
const stop = async ({ agent }: RunningAgent) => {
  expect((await agent.end('SIGTERM')).code).toBe(0);
};
/** The last thing of a start: the admin socket is open then, and the mesh was heard. */
const start = async (which: RunningAgent) => {
  await which.startAgain();
  await which.agent.untilLogged('mesh answers');
};
/** Has a sign its history, and b ask for it, which it does when it starts. */
const giveHeadToB = async () => {
  for (const each of [a, b]) {
    await stop(each);
    await start(each);
  }
  await until("the head of a at b's agent", async () => {
    const { answer } = await b.home.ask<HeadDocument[]>('history', 'heads', 'a.example');
    return answer.length > 0;
  });
};
const warnings = async ({ home }: RunningAgent) => (await home.ask<StatusDocument>('status')).answer.warnings;

describe('A history that proves itself, between two agents', () => {
  it('is signed by the agent, verified beside it, and answers what was trusted', async () => {
    await stop(a);
    await start(a);
    const story = await a.home.ask<StoryDocument>('history', '--limit', '100');
    expect(story.answer.newest_head).toMatchObject({ signer: 'spiffe://a.example/federate' });
    const verified = await a.home.ask('history', 'verify', '--bundle', agents.file('own.pem'));
    expect(verified).toMatchObject({ code: 0, answer: { sound: true } });
    const at = await runVerb('history', '--at', new Date().toISOString(), '--socket', a.home.socket);
    expect(at.out).toContain('b.example  version 1');
  });

  it('is kept by the peer, who gives back what was signed', async () => {
    await giveHeadToB();
    expect(await warnings(a)).toEqual([]);
    expect(await warnings(b)).toEqual([]);
  });

  it('is found doctored where it was cut off while the agent was down, by the peer, and by the heads it kept', async () => {
    await stop(a);
    copyFileSync(a.home.file('federate.db'), agents.file('old.db'));
    await start(a);
    await giveHeadToB();
    await stop(a);
    for (const end of ['', '-wal', '-shm']) rmSync(a.home.file(`federate.db${end}`), { force: true });
    copyFileSync(agents.file('old.db'), a.home.file('federate.db'));
    // Up to its old end with the heads, counters and all: by itself it is sound.
    doctorStore(
      a.home.file('federate.db'),
      "DELETE FROM chain_head; UPDATE event SET message = message || '.' WHERE id = 1",
      { rechain: true },
    );
    await start(a);
    await until('a warning of a', async () => (await warnings(a)).length > 0);
    expect(await warnings(a)).toMatchObject([{ trust_domain: 'a.example', code: 'own-history-doctored' }]);
    expect((await runVerb('status', '--socket', a.home.socket)).out).toMatch(
      /^WARNING {2}our own history is not the one/,
    );
    await b.home.ask('history', 'heads', 'a.example', '--export', agents.file('kept.jsonl'));
    const verified = await a.home.ask('history', 'verify', '--heads', agents.file('kept.jsonl'));
    expect(verified.code).toBe(1);
    expect(JSON.stringify(verified.answer)).toMatch(/history-rewritten|tail-missing/);
  });
});
