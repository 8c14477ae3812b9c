import { chmodSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { type AgentHome, until } from '../../testkit/agent-process.ts';

interface Examined {
  readonly healthy: boolean;
  readonly examined: readonly string[];
  readonly findings: readonly {
    readonly code: string;
    readonly level: string;
    readonly where?: string;
    readonly advice?: string;
  }[];
}

/** Two agents that federate, and what the doctor of the first says while things break. One story. */
let agents: Agents;
let a: AgentHome;
let b: RunningAgent;

beforeAll(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  const [first, second] = agents.all as [RunningAgent, RunningAgent];
  [a, b] = [first.home, second];
  const { out: line } = await runVerb('invite', '--socket', b.home.socket);
  expect(await runVerb('add', '--peer', line.trim(), '--socket', a.socket)).toMatchObject({ code: 0 });
});
afterAll(async () => await agents[Symbol.asyncDispose]());

async function doctor(...words: string[]): Promise<{ code: number | null; said: Examined }> {
  const { code, out } = await runVerb('doctor', ...words, '--output', 'json');
  return { code, said: JSON.parse(out) as Examined };
}
const wrong = ({ findings }: Examined) =>
  findings.filter(({ level }) => level === 'wrong').map(({ code, where }) => [code, where]);

it('finds nothing wrong with an agent that federates, and says what it looked at', async () => {
  const { code, said } = await doctor('--socket', a.socket);
  expect([code, wrong(said)]).toEqual([0, []]);
  const text = said.examined.join('\n');
  for (const part of ['versions', 'config', 'disk', 'store', 'our own URL', 'peers: 1', 'clocks of 1'])
    expect(text).toContain(part);
  expect(text).toContain('with the SVID spiffe://a.example/federate');
});

it('finds a key that others may read and a peer that is down, each with what to do', async () => {
  chmodSync(a.file('endpoint.key'), 0o644);
  await b.agent.end('SIGTERM');
  const { code, said } = await doctor('--socket', a.socket);
  chmodSync(a.file('endpoint.key'), 0o600);
  expect(code).toBe(1);
  expect(wrong(said)).toContainEqual(['config-invalid', a.configFile]);
  expect(wrong(said)).toContainEqual(['connect-failed', 'b.example']);
  for (const { level, advice } of said.findings) expect(level === 'note' || advice !== undefined).toBe(true);
});

it('leaves out what is known, and is healthy then', async () => {
  await until('only the peer is down', async () => {
    const { code } = await doctor('--socket', a.socket, '--ignore', 'connect-failed');
    return code === 0;
  });
});

it('examines an agent that is down, by its config', async () => {
  const { code, said } = await doctor('--config', b.home.configFile);
  expect(code).toBe(1);
  expect(wrong(said)).toEqual([['agent-down', undefined]]);
  expect(said.examined.join('\n')).toContain('peers: 1');
});

it.each([
  ['no agent and no config', 3, ['--socket', '/nonexistent/admin.sock']],
  ['a config that is not there', 2, ['--config', '/nonexistent/agent.yaml']],
])('answers %s with exit code %i', async (_what, code, words) => {
  expect(await runVerb('doctor', ...words)).toMatchObject({ code });
});
