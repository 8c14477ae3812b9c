import { status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMetrics, systemRandom } from '../../src/platform/index.ts';
import { Sidecar, type SidecarOptions } from '../../src/demonstration/sidecar/index.ts';
import { parseEndpointAddress } from '../../src/workload-api/index.ts';
import { FakeWorkloadApi } from '../../testkit/fake-workload-api.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { entry, message } from '../../testkit/x509-messages.ts';
import { call, outboundTo, type TestLeaf, World } from './support.ts';

/** A machine may have other things to do. */
const OFTEN = { interval: 2 };

let a: TestCa;
let b: TestCa;
let caller: TestLeaf;
let info: TestLeaf;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  caller = await a.issueLeaf({ path: '/caller' });
  info = await (await b.issueIntermediate()).issueLeaf({ path: '/info' });
});

const loopback = (port = 0) => ({ host: '127.0.0.1', port });

/** A sidecar with a Workload API of its own, ready when this resolves. */
async function sidecar(
  world: World,
  leaf: TestLeaf,
  ca: TestCa,
  foreign: TestCa,
  more: Partial<SidecarOptions>,
) {
  const folder = tempDir();
  world.add(() => folder[Symbol.dispose]());
  const federated = { [`spiffe://${foreign.trustDomain}`]: foreign.root };
  const api = new FakeWorkloadApi(folder.file('api.sock'), message([entry(leaf, ca)], federated));
  await api.start();
  world.add(() => api.stop());
  const started = new Sidecar({
    supply: { kind: 'workload-api', address: parseEndpointAddress(`unix://${api.path}`), choice: {} },
    outbound: [],
    drainMs: 50,
    clock: world.clock,
    random: systemRandom,
    log: world.log,
    metrics: createMetrics({ processMetrics: false }),
    ...more,
  });
  await started.start();
  world.add(() => started.stop());
  await expect.poll(() => started.ready, OFTEN).toBe(true);
  return { sidecar: started, api };
}

/** caller → sidecar of A → sidecar of B → workload, each sidecar fed by a Workload API. */
async function twoDomains(world: World) {
  const workload = await world.workload((incoming, response) => incoming.pipe(response));
  const inbound = { listen: loopback(), forwardTo: loopback(workload), allow: [caller.id] };
  const inB = await sidecar(world, info, b, a, { inbound });
  const outbound = [outboundTo(inB.sidecar.inbound?.address().port ?? 0, info.id)];
  const inA = await sidecar(world, caller, a, b, { outbound });
  const port = inA.sidecar.outbound[0]?.address().port ?? 0;
  return { inA, inB, ask: async () => (await call(port, { method: 'POST', body: 'hello' })).status };
}

describe('Sidecar fed by a Workload API', () => {
  it('proves peers by the bundle of their trust domain, and drops them with it, kept connections too (WLAPI-15, WLAPI-17)', async () => {
    await using world = new World();
    const { inB, ask } = await twoDomains(world);
    expect(await ask()).toBe(200);
    inB.api.say(message([entry(info, b)]));
    await expect.poll(ask, OFTEN).toBe(503);
    // B's own root under A's name verifies no identity of A.
    const taken = () =>
      world.log.records.filter(({ message: text }) => text.includes('state taken up')).length;
    const before = taken();
    inB.api.say(message([entry(info, b)], { 'spiffe://a.example': b.root }));
    await expect.poll(taken, OFTEN).toBe(before + 1);
    expect(await ask()).toBe(503);
    inB.api.say(message([entry(info, b)], { 'spiffe://a.example': a.root }));
    await expect.poll(ask, OFTEN).toBe(200);
  });

  it('continues while its Workload API is away, and neither calls nor accepts calls when its SVID is withdrawn (WLAPI-24)', async () => {
    await using world = new World();
    const { inA, inB, ask } = await twoDomains(world);
    expect(await ask()).toBe(200);
    await inA.api.stop();
    expect(await ask()).toBe(200);
    inB.api.refuse(status.PERMISSION_DENIED);
    await expect.poll(() => inB.sidecar.ready, OFTEN).toBe(false);
    expect(await ask()).toBe(503);
    expect(inA.sidecar.ready).toBe(true);
  });
});
