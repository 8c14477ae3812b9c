import { statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StatusDocument } from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { spiffeWorkloadService } from '../../src/grpc/index.ts';
import { serializeBundle } from '../../src/spiffe/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { WorkloadCaller } from '../../testkit/workload-caller.ts';
import { presentCa } from '../../testkit/agent-process.ts';

const { FetchX509Bundles, FetchX509SVID } = spiffeWorkloadService;

/** One agent with a workload on its socket, and a peer whose bundle came from the operator. Each test has its own. */
let agents: Agents;
let a: RunningAgent;
let rootB: TestCa;
let caller: WorkloadCaller;

beforeEach(async () => {
  const config = { workload_api: { socket: 'workload.sock', access: 'group', give_own_svid: true } };
  agents = await startAgents([{ trustDomain: 'a.example', profile: 'https_spiffe', config }]);
  [a] = agents.all as [RunningAgent];
  await a.agent.untilLogged('workload API and SDS served');
  caller = new WorkloadCaller(a.home.file('workload.sock'));
  rootB = await presentCa('b.example');
  writeFileSync(agents.file('b.json'), serializeBundle(rootB.bundle(1n)));
  // Nobody answers at the peer's address.
  const [port = 0] = await freePorts(1);
  const peer = ['--peer', `https://localhost:${port}/`, '--trust-domain', 'b.example'];
  const proof = ['--endpoint-id', 'spiffe://b.example/federate', '--bundle', agents.file('b.json')];
  await a.home.ask('add', ...peer, '--profile', 'https_spiffe', ...proof);
});
afterEach(async () => {
  caller[Symbol.dispose]();
  await agents[Symbol.asyncDispose]();
});

describe('federate agent with workload_api', () => {
  it('gives a workload our bundle, foreign ones and the SVID on one socket, whose mode the config says', async () => {
    expect(statSync(a.home.file('workload.sock')).mode & 0o777).toBe(0o660);
    const { bundles } = await caller.first(FetchX509Bundles, {});
    expect(bundles).toEqual({
      'spiffe://a.example': Buffer.from(a.ca.root),
      'spiffe://b.example': Buffer.from(rootB.root),
    });
    const { svids } = await caller.first(FetchX509SVID, {});
    expect(svids.map(({ spiffe_id: id }) => id)).toEqual(['spiffe://a.example/federate']);
  });

  it('counts its workloads in its status, and ends the trust in a removed peer at once', async () => {
    const stream = caller.stream(FetchX509Bundles, {});
    expect(Object.keys((await stream.next()).value?.bundles ?? {})).toHaveLength(2);
    const { answer } = await a.home.ask<StatusDocument>('status');
    expect(answer.workload_api).toEqual({
      socket: a.home.file('workload.sock'),
      proxies: 0,
      secrets: 0,
      secrets_current: 0,
      refused: [],
      workload_streams: 1,
    });
    const { out } = await runVerb('status', '--socket', a.home.socket);
    expect(out).toMatch(/^workload streams +1$/m);
    await a.home.ask('remove', 'b.example');
    expect(Object.keys((await stream.next()).value?.bundles ?? {})).toEqual(['spiffe://a.example']);
    await stream.return();
  });

  it('ends in order while a workload holds a stream', async () => {
    const stream = caller.stream(FetchX509Bundles, {});
    await stream.next();
    expect((await a.agent.end('SIGTERM')).code).toBe(0);
    await expect(stream.next()).rejects.toMatchObject({ code: expect.any(Number) as unknown });
  });
});
