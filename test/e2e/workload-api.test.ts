import { statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StatusDocument } from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { spiffeWorkloadService } from '../../src/grpc/index.ts';
import { serializeBundle } from '../../src/spiffe/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { WorkloadCaller } from '../../testkit/workload-caller.ts';
import { AgentHome, type FederateProcess, presentCa } from '../../testkit/agent-process.ts';

const { FetchX509Bundles, FetchX509SVID } = spiffeWorkloadService;

/** One agent and a workload beside it; the tests are one story, in order. */
let folder: ReturnType<typeof tempDir>;
let home: AgentHome;
let agent: FederateProcess;
let rootA: TestCa;
let rootB: TestCa;
let caller: WorkloadCaller;

beforeAll(async () => {
  folder = tempDir();
  const [port = 0, portB = 0] = await freePorts(2);
  [rootA, rootB] = (await Promise.all([presentCa('a.example'), presentCa('b.example')])) as [TestCa, TestCa];
  home = new AgentHome({ folder: folder.file('a'), trustDomain: 'a.example', port, profile: 'https_spiffe' });
  home.writeConfig(home.configFile, {
    workload_api: { socket: 'workload.sock', access: 'group', give_own_svid: true },
  });
  home.writeRoots(rootA);
  await home.writeEndpointCertificate(rootA);
  writeFileSync(folder.file('b.json'), serializeBundle(rootB.bundle(1n)));
  agent = home.start();
  await agent.untilLogged('own bundle published');
  await agent.untilLogged('workload API and SDS served');
  caller = new WorkloadCaller(home.file('workload.sock'));
  // Nobody answers at the peer's address: its bundle came from the operator.
  await home.ask(
    'add',
    '--peer',
    `https://localhost:${portB}/`,
    '--trust-domain',
    'b.example',
    '--profile',
    'https_spiffe',
    '--endpoint-id',
    'spiffe://b.example/federate',
    '--bundle',
    folder.file('b.json'),
  );
});
afterAll(async () => {
  caller[Symbol.dispose]();
  await agent.end('SIGKILL');
  folder[Symbol.dispose]();
});

describe('federate agent with workload_api', () => {
  it('gives a workload our bundle, foreign ones and the SVID on one socket, whose mode the config says', async () => {
    expect(statSync(home.file('workload.sock')).mode & 0o777).toBe(0o660);
    const { bundles } = await caller.first(FetchX509Bundles, {});
    expect(bundles).toEqual({
      'spiffe://a.example': Buffer.from(rootA.root),
      'spiffe://b.example': Buffer.from(rootB.root),
    });
    const { svids } = await caller.first(FetchX509SVID, {});
    expect(svids.map(({ spiffe_id: id }) => id)).toEqual(['spiffe://a.example/federate']);
  });

  it('tells in its status who is served, and ends the trust in a removed peer at once', async () => {
    const stream = caller.stream(FetchX509Bundles, {});
    expect(Object.keys((await stream.next()).value?.bundles ?? {})).toHaveLength(2);
    const { answer } = await home.ask<StatusDocument>('status');
    expect(answer.workload_api).toEqual({
      socket: home.file('workload.sock'),
      proxies: 0,
      secrets: 0,
      secrets_current: 0,
      refused: [],
      workload_streams: 1,
    });
    const { out } = await runVerb('status', '--socket', home.socket);
    expect(out).toMatch(/^workload streams +1$/m);
    await home.ask('remove', 'b.example');
    expect(Object.keys((await stream.next()).value?.bundles ?? {})).toEqual(['spiffe://a.example']);
    await stream.return();
  });

  it('ends in order while a workload holds a stream', async () => {
    const stream = caller.stream(FetchX509Bundles, {});
    await stream.next();
    expect((await agent.end('SIGTERM')).code).toBe(0);
    await expect(stream.next()).rejects.toMatchObject({ code: expect.any(Number) as unknown });
  });
});
