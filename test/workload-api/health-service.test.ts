import { Metadata, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { healthService } from '../../src/grpc/index.ts';
import { createMetrics, silentLog } from '../../src/platform/index.ts';
import type { TrustBundle } from '../../src/spiffe/index.ts';
import { WorkloadServer } from '../../src/workload-api/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { WorkloadCaller } from '../../testkit/workload-caller.ts';

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function serve(maxStreams = 10) {
  const folder = tempDir();
  const given: { own?: TrustBundle } = {};
  const server = new WorkloadServer({
    own: () => given.own,
    foreign: () => [],
    maxStreams,
    clock: new TestClock(TEST_INSTANT),
    log: silentLog,
    metrics: createMetrics({ processMetrics: false }),
  });
  const socket = folder.file('workload.sock');
  await server.start(socket, 0o600);
  // Health checks do not need the header of the Workload API.
  const caller = new WorkloadCaller(socket, new Metadata());
  opened.push(
    () => folder[Symbol.dispose](),
    () => server.stop(),
    () => caller[Symbol.dispose](),
  );
  const reportRoots = async () => {
    given.own = (await createTestCa({ trustDomain: 'a.example' })).bundle();
    await server.refresh();
  };
  return { caller, reportRoots };
}

describe('HealthService', () => {
  it.each([
    '',
    'SpiffeWorkloadAPI',
    'envoy.service.secret.v3.SecretDiscoveryService',
  ])('says of "%s" that it serves once our mesh has reported its roots, and not before', async (service) => {
    const { caller, reportRoots } = await serve();
    const check = () => caller.call(healthService.Check, { service });
    expect(await check()).toEqual({ status: 'NOT_SERVING' });
    await reportRoots();
    expect(await check()).toEqual({ status: 'SERVING' });
  });

  it('does not know other services: NotFound, and SERVICE_UNKNOWN to a watcher', async () => {
    const { caller } = await serve();
    const service = 'spire.api.agent.delegatedidentity.v1.DelegatedIdentity';
    await expect(caller.call(healthService.Check, { service })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    expect(await caller.first(healthService.Watch, { service })).toEqual({ status: 'SERVICE_UNKNOWN' });
  });

  it('sends each change to the watchers, and bounds their number', async () => {
    const { caller, reportRoots } = await serve(1);
    const watching = caller.stream(healthService.Watch, { service: '' });
    expect((await watching.next()).value).toEqual({ status: 'NOT_SERVING' });
    await expect(caller.first(healthService.Watch, { service: '' })).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    await reportRoots();
    expect((await watching.next()).value).toEqual({ status: 'SERVING' });
    await watching.return();
  });
});
