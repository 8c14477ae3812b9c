import { beforeEach, describe, expect, it } from 'vitest';
import { TheirSides } from '../../src/federation/fetch/their-side.ts';
import type { Store } from '../../src/store/index.ts';
import { added, istio, relationship } from '../store/sample-bundles.ts';
import { createFailingStore } from '../../testkit/failing-store.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const now = new Date('2030-06-01T12:00:00Z');
const origin = 'https://istio.example/';
let store: Store;
let clock: TestClock;
let sides: TheirSides;

beforeEach(async () => {
  store = await openTestStore();
  clock = new TestClock(now);
  sides = new TheirSides({ store, clock, log: createRecordingLog() });
  await store.addRelationship(relationship(), undefined, added());
});

const open = async () => (await store.incidents({ open: true })).map(({ kind }) => kind);
const hear = (word: 'held' | 'nothing', held = true) => sides.note(istio, origin, word, held);

describe('TheirSides', () => {
  it('makes nothing of the silence of an endpoint that never spoke: other products say nothing', async () => {
    for (let times = 0; times < 5; times += 1) await hear('nothing');
    expect(sides.of(istio)).toBeUndefined();
    expect(await open()).toEqual([]);
  });

  it('takes two held requests without the word for the end, after it was said, and no short ones', async () => {
    await hear('held', false);
    expect(sides.of(istio)).toEqual({ state: 'held', since: now, reportedAt: now });
    for (let times = 0; times < 5; times += 1) await hear('nothing', false);
    await hear('nothing');
    expect(sides.of(istio)?.state).toBe('held');
    await clock.advance(1000);
    await hear('nothing');
    expect(sides.of(istio)).toEqual({ state: 'ended', since: clock.now(), reportedAt: now });
    expect(await open()).toEqual(['peer-dropped-us']);
    await hear('nothing');
    expect(await store.incidents()).toHaveLength(1);
  });

  it('remembers when it was heard last', async () => {
    await hear('held');
    await clock.advance(60_000);
    await hear('held');
    expect(sides.of(istio)).toEqual({ state: 'held', since: now, reportedAt: clock.now() });
  });

  it('begins to count again with each word', async () => {
    await hear('held');
    await hear('nothing');
    await hear('held');
    await hear('nothing');
    expect(sides.of(istio)?.state).toBe('held');
  });

  it('is over when it is said again, and remembers over a restart that it ended', async () => {
    await hear('held');
    await hear('nothing');
    await hear('nothing');
    const after = new TheirSides({ store, clock, log: createRecordingLog() });
    await after.load();
    expect(after.of(istio)).toEqual({ state: 'ended', since: now });
    await after.note(istio, origin, 'held', false);
    expect(after.of(istio)?.state).toBe('held');
    expect(await open()).toEqual([]);
    after.forget(istio);
    expect(after.of(istio)).toBeUndefined();
  });

  it('never fails for a store that does', async () => {
    const failing = createFailingStore(store);
    const log = createRecordingLog();
    const over = new TheirSides({ store: failing, clock, log });
    await over.note(istio, origin, 'held', true);
    await over.note(istio, origin, 'nothing', true);
    failing.failNext({ method: 'recordIncident' });
    await over.note(istio, origin, 'nothing', true);
    expect(over.of(istio)?.state).toBe('ended');
    expect(log.records.some(({ level }) => level === 'error')).toBe(true);
  });
});
