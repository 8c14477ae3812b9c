import { chmodSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { runVerb } from '../../testkit/run-verb.ts';

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

async function doctor(...words: string[]): Promise<{ code: number | null; said: Examined }> {
  const { code, out } = await runVerb('doctor', ...words, '--output', 'json');
  return { code, said: JSON.parse(out) as Examined };
}
const wrong = ({ findings }: Examined) =>
  findings.filter(({ level }) => level === 'wrong').map(({ code, where }) => [code, where]);

/** Two agents that federate. */
async function federated(): Promise<Agents> {
  const agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  const [first, second] = agents.all as [RunningAgent, RunningAgent];
  const { out: line } = await runVerb('invite', '--socket', second.home.socket);
  await runVerb('add', '--peer', line.trim(), '--socket', first.home.socket);
  return agents;
}

it('examines an agent while things break around it: nothing wrong, then a key and a peer, then the agent', async () => {
  await using agents = await federated();
  const [{ home: a }, b] = agents.all as [RunningAgent, RunningAgent];
  const healthy = await doctor('--socket', a.socket);
  expect([healthy.code, wrong(healthy.said)]).toEqual([0, []]);
  const examined = healthy.said.examined.join('\n');
  for (const part of ['versions', 'config', 'disk', 'store', 'our own URL', 'peers: 1', 'clocks of 1'])
    expect(examined).toContain(part);
  expect(examined).toContain('with the SVID spiffe://a.example/federate');

  chmodSync(a.file('endpoint.key'), 0o644);
  await b.agent.end('SIGTERM');
  const broken = await doctor('--socket', a.socket);
  chmodSync(a.file('endpoint.key'), 0o600);
  expect(broken.code).toBe(1);
  expect(wrong(broken.said)).toContainEqual(['config-invalid', a.configFile]);
  expect(wrong(broken.said)).toContainEqual(['connect-failed', 'b.example']);
  expect(broken.said.findings.filter((each) => each.level === 'wrong' && each.advice === undefined)).toEqual(
    [],
  );

  const known = await doctor('--socket', a.socket, '--ignore', 'connect-failed');
  expect([known.code, wrong(known.said)]).toEqual([0, []]);

  const down = await doctor('--config', b.home.configFile);
  expect([down.code, wrong(down.said)]).toEqual([1, [['agent-down', undefined]]]);
  expect(down.said.examined.join('\n')).toContain('peers: 1');
});

it.each([
  ['no agent and no config', 3, ['--socket', '/nonexistent/admin.sock']],
  ['a config that is not there', 2, ['--config', '/nonexistent/agent.yaml']],
])('answers %s with exit code %i', async (_what, code, words) => {
  expect(await runVerb('doctor', ...words)).toMatchObject({ code });
});
