import { describe, expect, it } from 'vitest';
import { ServicePublisher } from '../../src/agent/service-publisher.ts';
import type { ServiceWants } from '../../src/agent/service-wants.ts';
import {
  MeshAdapterError,
  type MeshServices,
  type ServiceReport,
  serviceReport,
} from '../../src/mesh-adapters/index.ts';
import { silentLog, systemRandom } from '../../src/platform/index.ts';
import { type OwnService, parseServiceId } from '../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/index.ts';
import type { Store } from '../../src/store/index.ts';
import { importedService } from '../../testkit/imported-services.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const own = parseTrustDomain('east.example');
const west = parseTrustDomain('west.example');
const INFO = { subject: 'import', service: parseServiceId('info'), trustDomain: west } as const;

const WEB: OwnService = {
  id: parseServiceId('web'),
  ports: [{ name: 'http', port: 8080, protocol: 'http', serverFirst: false }],
  spiffeIds: [parseSpiffeId('spiffe://east.example/ns/shop/sa/web')],
  labels: { app: 'web' },
  origin: 'mesh',
};
const WEB_ACCESS = {
  policy: { service: WEB, rules: [] },
  placement: { namespace: 'shop', labels: WEB.labels, peerNames: {} },
};

type Answer = Partial<ServiceReport> | 'gone' | 'down';

/** A mesh that says of every subject what `answer` says; by default that it is written. */
async function startMesh(before?: Store, withServices = true) {
  const store = before ?? (await openTestStore());
  const clock = new TestClock(TEST_INSTANT);
  const stopping = new AbortController();
  const wanted = { imports: [importedService()], exports: false, access: false, isKnown: true };
  const calls: string[] = [];
  const state = { isSilent: false, answer: (_subject: string): Answer => ({}) };
  const report = (subject: ServiceReport['subject'], service: string, more: object = {}) => {
    const answer = state.answer(`${subject} ${service}`);
    if (answer === 'down') throw new MeshAdapterError('mesh-unreachable', 'nobody answers');
    if (answer === 'gone') return [];
    const about = { subject, service: parseServiceId(service), ...more };
    return [{ ...serviceReport(about, 'written', clock.now()), ...answer }];
  };
  const services: MeshServices = {
    readServices: async () => [],
    applyAccess: async (all) => {
      calls.push(`access ${all.map(({ policy }) => policy.service.id).join()}`);
      return all.flatMap(({ policy }) => report('access', policy.service.id));
    },
    applyExports: async (all) => {
      calls.push(`exports ${all.map(({ service }) => service.id).join()}`);
      return all.flatMap(({ service }) => report('export', service.id));
    },
    applyImports: async (all, signal) => {
      calls.push(`imports ${all.map(({ id }) => id).join()}`);
      if (state.isSilent)
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      // What is gone and still there is reported too.
      const left = all.length === 0 && state.answer('import info') !== 'gone' ? [importedService()] : all;
      return left.flatMap(({ id, trustDomain }) => report('import', id, { trustDomain }));
    },
  };
  const wants: ServiceWants = {
    imports: async () => wanted.imports,
    exports: async () =>
      !wanted.isKnown ? undefined : wanted.exports ? [{ service: WEB, consumers: [west] }] : [],
    access: async () => (!wanted.isKnown ? undefined : wanted.access ? [WEB_ACCESS] : []),
  };
  let progressed = () => {};
  const publisher = new ServicePublisher(
    {
      adapter: {
        kind: 'istio',
        ...(withServices && { services }),
        onProgress: (listener) => {
          progressed = listener;
          return () => {};
        },
      },
      wants,
      own: () => own,
      store,
    },
    { clock, random: systemRandom, log: silentLog },
    stopping.signal,
  );
  publisher.start();
  await clock.untilSleeping();
  return {
    publisher,
    clock,
    store,
    wanted,
    calls,
    state,
    stopping,
    progressed: () => progressed(),
    /** Lets the comparison that was asked for run. */
    next: async () => {
      publisher.compare();
      await clock.untilSleeping();
      await clock.advance(20);
      await clock.untilSleeping();
    },
    incidents: async () =>
      (await store.incidents({ open: true })).map(({ kind, code, trustDomain }) => [kind, code, trustDomain]),
  };
}

describe('ServicePublisher', () => {
  it('compares at the start, after a change and once a minute', async () => {
    const mesh = await startMesh();
    expect(mesh.calls).toEqual(['access ', 'exports ', 'imports info']);
    expect(mesh.publisher.of(INFO)).toMatchObject({ state: 'written' });
    expect(mesh.clock.waits()).toEqual([60_000]);
    await mesh.clock.advance(60_000);
    expect(mesh.calls).toHaveLength(6);
    await mesh.next();
    expect(mesh.calls).toHaveLength(9);
    mesh.progressed();
    await mesh.clock.untilSleeping();
    await mesh.clock.advance(20);
    expect(mesh.calls).toHaveLength(12);
    await mesh.publisher.stop();
  });

  it('has a warning and an incident of a refusal as long as it lasts, and goes on with the others', async () => {
    const mesh = await startMesh();
    mesh.wanted.imports = [importedService(), importedService({ id: 'web' })];
    mesh.state.answer = (subject) =>
      subject === 'import info' ? { state: 'refused', code: 'mesh-refused', message: 'no' } : {};
    await mesh.next();
    expect(mesh.publisher.list().map(({ service, state }) => [service, state])).toEqual([
      ['info', 'refused'],
      ['web', 'written'],
    ]);
    expect(mesh.publisher.warnings()).toEqual([
      {
        trust_domain: 'west.example',
        code: 'service-refused',
        message: 'the mesh does not have the import info of west.example as it should: no [mesh-refused]',
        since: mesh.publisher.of(INFO)?.at.toISOString(),
      },
    ]);
    expect(await mesh.incidents()).toEqual([['service-refused', 'mesh-refused', 'west.example']]);
    mesh.state.answer = () => ({});
    await mesh.next();
    expect(mesh.publisher.warnings()).toEqual([]);
    expect(await mesh.incidents()).toEqual([]);
    await mesh.publisher.stop();
  });

  it('tries again soon after a failure, and reports what is wanted and what was there', async () => {
    const mesh = await startMesh();
    mesh.wanted.imports = [importedService({ id: 'web' })];
    mesh.state.answer = () => 'down';
    await mesh.next();
    const failed = { state: 'failed', code: 'mesh-unreachable', message: 'nobody answers' };
    expect(mesh.publisher.list()).toMatchObject([
      { service: 'info', ...failed },
      { service: 'web', ...failed },
    ]);
    expect(mesh.clock.waits()[0]).toBeLessThan(60_000);
    expect(await mesh.incidents()).toEqual([['service-refused', 'mesh-unreachable', 'west.example']]);
    await mesh.publisher.stop();
  });

  it('leaves policies and exports in the mesh as they are while it is not known which are wanted', async () => {
    const mesh = await startMesh();
    Object.assign(mesh.wanted, { exports: true, access: true });
    await mesh.next();
    const before = mesh.publisher.list();
    expect(before).toHaveLength(3);
    mesh.wanted.isKnown = false;
    mesh.calls.splice(0);
    await mesh.next();
    expect(mesh.calls).toEqual(['imports info']);
    expect(mesh.publisher.list()).toEqual(before);
    await mesh.publisher.stop();
  });

  it('is silent about a mesh that it has nothing to do with, for example without rights for services', async () => {
    const mesh = await startMesh();
    mesh.wanted.imports = [];
    mesh.state.answer = () => 'gone';
    await mesh.next();
    mesh.state.answer = () => 'down';
    await mesh.next();
    expect(mesh.publisher.list()).toEqual([]);
    expect(mesh.clock.waits()).toEqual([60_000]);
    expect(await mesh.incidents()).toEqual([]);
    await mesh.publisher.stop();
  });

  it('keeps the incident over a restart until the mesh was compared again', async () => {
    const first = await startMesh();
    first.state.answer = () => ({ state: 'refused', code: 'mesh-refused', message: 'no' });
    await first.next();
    await first.publisher.stop();
    expect(await first.incidents()).toHaveLength(1);
    const second = await startMesh(first.store);
    expect(await second.incidents()).toEqual([]);
    await second.publisher.stop();
  });

  it('after() gives nothing once the mesh has dropped an import', async () => {
    const mesh = await startMesh();
    mesh.wanted.imports = [];
    mesh.state.answer = () => 'gone';
    const after = mesh.publisher.after(INFO);
    await mesh.clock.untilSleeping(2);
    await mesh.clock.advance(20);
    expect(await after).toBeUndefined();
    expect(mesh.publisher.list()).toEqual([]);
    await mesh.publisher.stop();
  });

  it('after() says that the mesh still has it, where it does', async () => {
    const mesh = await startMesh();
    mesh.wanted.imports = [];
    mesh.state.answer = () => ({ state: 'failed', code: 'mesh-not-gone', message: 'it stays' });
    const after = mesh.publisher.after(INFO);
    await mesh.clock.untilSleeping(2);
    await mesh.clock.advance(20);
    expect(await after).toMatchObject({ state: 'failed', code: 'mesh-not-gone' });
    await mesh.publisher.stop();
  });

  it('after() does not call an import gone when the mesh does not answer in five seconds', async () => {
    const mesh = await startMesh();
    mesh.wanted.imports = [];
    mesh.state.isSilent = true;
    const after = mesh.publisher.after(INFO);
    await mesh.clock.untilSleeping(2);
    await mesh.clock.advance(5000);
    expect(await after).toMatchObject({ state: 'failed', code: 'mesh-silent' });
    await mesh.publisher.stop();
  });

  it('does not export a service whose policy the mesh does not take', async () => {
    const mesh = await startMesh();
    Object.assign(mesh.wanted, { exports: true, access: true, imports: [] });
    mesh.state.answer = (subject) =>
      subject === 'access web' ? { state: 'refused', code: 'mesh-refused', message: 'no' } : 'gone';
    mesh.calls.splice(0);
    await mesh.next();
    expect(mesh.calls).toEqual(['access web', 'exports ', 'imports ']);
    expect(mesh.publisher.of({ subject: 'export', service: WEB.id })).toMatchObject({
      state: 'refused',
      code: 'policy-not-in-mesh',
    });
    expect(await mesh.incidents()).toEqual([['service-refused', 'mesh-refused', 'east.example']]);
    mesh.state.answer = () => ({});
    await mesh.next();
    expect(mesh.publisher.of({ subject: 'export', service: WEB.id })).toMatchObject({ state: 'written' });
    await mesh.publisher.stop();
  });

  it('reports a mesh that knows no services with a code', async () => {
    const mesh = await startMesh(undefined, false);
    expect(mesh.publisher.of(INFO)).toMatchObject({ state: 'refused', code: 'mesh-without-services' });
    await mesh.publisher.stop();
  });
});
