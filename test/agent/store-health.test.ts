import { describe, expect, it } from 'vitest';
import { StoreHealth } from '../../src/agent/store-health.ts';
import { silentLog } from '../../src/platform/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { StoreError, type StoreObserver } from '../../src/store/index.ts';
import { AgentInProcess } from '../../testkit/agent-in-process.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const full = () => new StoreError('store-full', 'the store has no room to grow');

describe('StoreHealth', () => {
  it('is in trouble from the first failure, keeps its time, and ends only after a write of new content', async () => {
    const clock = new TestClock(TEST_INSTANT);
    const health = new StoreHealth({ clock, log: silentLog });
    let isFull = true;
    let tries = 0;
    const store = {
      setMeta: async () => {
        tries += 1;
        if (!isFull) return;
        health.failed(full());
        throw full();
      },
    };
    health.start(store);
    health.failed(full());
    await clock.advance(25_000);
    // A transaction that changes nothing succeeds on a full disk.
    health.wrote();
    expect([tries, health.trouble?.code]).toEqual([2, 'store-full']);
    expect(health.warnings()).toMatchObject([
      { code: 'store-unusable', trust_domain: null, since: TEST_INSTANT.toISOString() },
    ]);
    isFull = false;
    await clock.advance(10_000);
    expect([health.trouble, health.warnings()]).toEqual([undefined, []]);
    await health.stop();
  });

  it('tests a store without a write for a minute, and no other', async () => {
    const clock = new TestClock(TEST_INSTANT);
    const health = new StoreHealth({ clock, log: silentLog });
    let tries = 0;
    health.start({ setMeta: async () => void (tries += 1) });
    for (let seconds = 0; seconds < 120; seconds += 10) {
      health.wrote();
      await clock.advance(10_000);
    }
    expect(tries).toBe(0);
    await clock.advance(60_000);
    expect(tries).toBe(1);
    await health.stop();
  });
});

describe('an agent whose store cannot be used', () => {
  it('appears in status, readiness and metrics, from memory; ends at a stop; continues when it can', async () => {
    await using world = await AgentInProcess.start();
    world.breakStore(full());
    world.writeRoots(world.ca, await world.anotherRoot());
    await world.until(() => world.log.records.some(({ fields }) => fields['code'] === 'store-full'));
    const status = await world.admin.call('GET /v1/status');
    expect(status).toMatchObject({ ready: false, own: { authorities: 1, version: null } });
    expect(status.warnings.map(({ code }) => code)).toContain('store-unusable');
    expect(await world.admin.call('GET /v1/relationships')).toEqual([]);
    const readyz = await world.web('/readyz');
    expect([readyz.status, await readyz.text()]).toEqual([503, expect.stringContaining('no room')]);
    const numbers = await (await world.web('/metrics')).text();
    expect(numbers).toMatch(/^federate_store_usable 0$/m);
    expect(numbers).toMatch(/^federate_warnings\{code="store-unusable"\} 1$/m);

    world.breakStore(undefined);
    await world.until(async () => {
      const now = await world.admin.call('GET /v1/status');
      return now.ready && now.own?.authorities === 2 && now.warnings.length === 0;
    });
    expect(await (await world.web('/metrics')).text()).toMatch(/^federate_store_usable 1$/m);

    world.breakStore(full());
    await expect(world.agent?.stop()).rejects.toMatchObject({ code: 'store-full' });
  });
});

describe('openSqliteStore() with an observer', () => {
  const observe = () => {
    const seen: string[] = [];
    const observer: StoreObserver = {
      recorded: (events) => void seen.push(...events.map(({ kind }) => kind)),
      wrote: () => void seen.push('wrote'),
      failed: ({ code }) => void seen.push(code),
    };
    return { seen, observer };
  };
  const event = (message = 'x') =>
    ({ at: TEST_INSTANT, kind: 'agent-started', actor: 'agent', message }) as const;

  it('reports each event after it is written, and none of a refused transaction', async () => {
    const { seen, observer } = observe();
    const store = await openTestStore({ observer });
    await store.recordEvent(event());
    expect(seen).toEqual(['wrote', 'agent-started']);
    seen.length = 0;
    const missing = parseTrustDomain('b.example');
    expect(await store.removeRelationship(missing, { at: TEST_INSTANT, actor: 'a', reason: 'r' })).toBe(
      false,
    );
    expect(seen).toEqual(['wrote']);
    await store.close();
    await expect(store.recordEvent(event())).rejects.toMatchObject({ code: 'store-closed' });
    expect(seen).toEqual(['wrote']);
  });

  it('reports a store that has no room to grow', async () => {
    using folder = tempDir();
    const { seen, observer } = observe();
    const store = await openTestStore({ path: folder.file('full.db'), maxBytes: 1, observer });
    let error: unknown;
    for (let at = 0; at < 200 && error === undefined; at += 1)
      error = await store.recordEvent(event('x'.repeat(1000))).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'store-full' });
    expect(seen.at(-1)).toBe('store-full');
    await store.close();
  });
});
