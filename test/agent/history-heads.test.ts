import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HistoryHeads } from '../../src/agent/history-heads.ts';
import type { StatementSigner } from '../../src/spiffe/index.ts';
import { proveHead } from '../../src/store/index.ts';
import { createHistoryCas, type HistoryCas } from '../store/doctored-store.ts';
import { createFailingStore, type FailingStore } from '../../testkit/failing-store.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

let cas: HistoryCas;
let store: FailingStore;
let clock: TestClock;
let signer: StatementSigner | undefined;
const log = createRecordingLog();
const open: HistoryHeads[] = [];
beforeEach(async () => {
  cas ??= await createHistoryCas();
  store = createFailingStore(await openTestStore());
  clock = new TestClock(TEST_INSTANT);
  ({ signer } = cas);
});
afterEach(async () => {
  for (const heads of open.splice(0)) await heads.stop();
});

async function start(): Promise<HistoryHeads> {
  const heads = new HistoryHeads({ store, signer: () => signer, clock, log });
  open.push(heads);
  await heads.start();
  return heads;
}
/** Moves the clock, and waits until the started work has ended. */
const pass = async (ms: number) => {
  await clock.advance(ms);
  await clock.untilSleeping();
};
const recordEvent = (message: string) =>
  store.recordEvent({ at: clock.now(), kind: 'mesh-updated', actor: 'agent', message });
const numbers = async () =>
  (await store.signedHeads()).map(({ number, statement }) => [number, statement !== undefined]);

describe('HistoryHeads', () => {
  it('signs the end of the chain, and again only when there is something new', async () => {
    const heads = await start();
    await heads.sign();
    expect(await numbers()).toEqual([]);
    await recordEvent('one');
    await heads.sign();
    await heads.sign();
    await recordEvent('two');
    await heads.sign();
    expect(await numbers()).toEqual([
      [2, true],
      [1, true],
    ]);
    const { statement = '', ...head } = heads.newest ?? {};
    const bundles = { bundleFor: () => cas.ownCa.bundle() };
    expect(await proveHead(statement, bundles, clock.now())).toMatchObject({
      number: 2,
      hash: (await store.chainHead())?.hash,
      chain: (await store.chainLinks())[0]?.hash,
    });
    expect(head).toMatchObject({ number: 2, signer: cas.signer.id });
  });

  it('signs soon after the start, at intervals, and once more at the end', async () => {
    await recordEvent('begun');
    const heads = await start();
    await pass(10_000);
    expect(await numbers()).toEqual([[1, true]]);
    await recordEvent('more');
    await pass(299_000);
    expect(await numbers()).toHaveLength(1);
    await pass(1000);
    expect(await numbers()).toEqual([
      [2, true],
      [1, true],
    ]);
    await recordEvent('ended');
    await heads.stop();
    expect((await numbers())[0]).toEqual([3, true]);
  });

  it('records heads unsigned without an SVID, and signs as soon as there is one', async () => {
    await recordEvent('one');
    signer = undefined;
    const heads = await start();
    await heads.sign();
    await heads.sign();
    expect(await numbers()).toEqual([[1, false]]);
    expect(heads.newest).toBeUndefined();
    ({ signer } = cas);
    await heads.sign();
    expect(await numbers()).toEqual([
      [1, true],
      [1, false],
    ]);
  });

  it('records it unsigned where the key cannot sign statements, and reports that', async () => {
    await recordEvent('one');
    signer = { ...cas.signer, privateKey: generateKeyPairSync('ed25519').privateKey };
    const heads = await start();
    await heads.sign();
    expect(await numbers()).toEqual([[1, false]]);
    expect(log.records.some(({ level }) => level === 'warn')).toBe(true);
  });

  it('continues after a failure of the store, from the end of the agent before it', async () => {
    await recordEvent('one');
    await start();
    store.failNext({ method: 'recordHead' });
    await pass(10_000);
    expect(await numbers()).toEqual([]);
    await pass(300_000);
    expect(await numbers()).toEqual([[1, true]]);
    const next = await start();
    await next.sign();
    expect(await numbers()).toHaveLength(1);
    expect(next.newest?.number).toBe(1);
  });
});
