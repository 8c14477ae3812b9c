import { statSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contentDigest, serializeBundle } from '../../src/spiffe/index.ts';
import { openSqliteStoreForReading, type Store, verifyStoreFile } from '../../src/store/index.ts';
import { describeStoreContract } from '../../testkit/contract/bundle-store-contract.ts';
import { describeServiceStoreContract } from '../../testkit/contract/service-store-contract.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { openRaw } from './open-store.ts';
import { added, at, bundle, istio, outage, relationship, roots, start, version } from './sample-bundles.ts';

describeStoreContract('openSqliteStore() in memory', () => openTestStore());
describeServiceStoreContract('openSqliteStore() in memory', () => openTestStore());

const files = tempDir();
let fileCount = 0;
afterAll(() => files[Symbol.dispose]());
describeStoreContract('openSqliteStore() on a file', () => {
  fileCount += 1;
  return openTestStore({ path: files.file(`${fileCount}.db`) });
});

describe('openSqliteStore() on a file', () => {
  let folder: ReturnType<typeof tempDir>;
  let path: string;
  let store: Store;
  beforeEach(async () => {
    folder = tempDir();
    path = folder.file('federate.db');
    store = await openTestStore({ path });
  });
  afterEach(async () => {
    await store.close();
    folder[Symbol.dispose]();
  });

  const reopen = async () => {
    await store.close();
    store = await openTestStore({ path, create: false });
  };
  const federate = (numbers: readonly number[], sequence: bigint) =>
    store.addRelationship(relationship(), version(bundle(numbers, sequence), start, 'bootstrap'), added());
  const replace = async (numbers: readonly number[], sequence: bigint, when = at(60)) =>
    store.replaceCurrent({
      trustDomain: istio,
      expectedDigest: (await store.current(istio))?.digest ?? null,
      version: version(bundle(numbers, sequence), when),
    });

  it('remembers everything over a restart, the endpoint down or not (FED-47)', async () => {
    await federate([1], 2n ** 64n - 2n);
    await replace([1, 2], 2n ** 64n - 1n);
    await store.noteUnchanged(istio, at(61));
    await store.setMeta('own', 'x');
    const [current, history, events] = await Promise.all([
      store.currentAll(),
      store.history(istio),
      store.events(),
    ]);
    await reopen();
    expect(await store.currentAll()).toEqual(current);
    expect(await store.history(istio)).toEqual(history);
    expect(await store.events()).toEqual(events);
    expect(await store.getMeta('own')).toBe('x');
    expect((await store.relationship(istio))?.lastSuccessAt).toEqual(at(61));
    expect(current[0]?.bundle.sequence).toBe(18446744073709551615n);
  });

  it('performs waiting writes before it closes', async () => {
    await federate([1], 1n);
    const updating = store.updateRelationship(istio, { consecutiveFailures: 3 });
    await reopen();
    expect(await updating).toBe(true);
    expect((await store.relationship(istio))?.consecutiveFailures).toBe(3);
  });

  it('keeps an open incident over a restart', async () => {
    await store.recordIncident(outage);
    await reopen();
    expect(await store.recordIncident(outage)).toBe('ongoing');
  });

  it('gives the file and its companions mode 0600, with any umask', async () => {
    await federate([1], 1n);
    const modes = ['', '-wal', '-shm', '.lock'].map((file) =>
      (statSync(`${path}${file}`).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(['600', '600', '600', '600']);
  });

  it('allows other programs to read while the agent writes', async () => {
    await federate([1], 1n);
    await using reader = await openSqliteStoreForReading({ path });
    expect((await reader.current(istio))?.number).toBe(1);
    await replace([2], 2n);
    expect((await reader.current(istio))?.number).toBe(2);
    expect(await reader.history(istio)).toEqual(await store.history(istio));
  });

  it('stores the keys of a bundle once, however often a peer goes back to them', async () => {
    const every = [1, 2, 3, 4, 5, 6, 7, 8];
    await federate(every, 1n);
    for (let number = 2n; number <= 2000n; number += 1n)
      await replace(number % 2n === 0n ? every.slice(1) : every, number);
    const history = await store.history(istio, { limit: 2000 });
    const text = history.map(({ document }) => Buffer.from(document).toString());
    expect(text).toEqual(
      Array.from({ length: 2000 }, (_, index) =>
        Buffer.from(
          serializeBundle(bundle(index % 2 === 0 ? every.slice(1) : every, 2000n - BigInt(index))),
        ).toString(),
      ),
    );
    await store.close();
    const raw = openRaw(path);
    expect(raw.prepare('SELECT count(*) FROM bundle_keys').pluck().get()).toBe(2);
    const documents = text.reduce((sum, each) => sum + each.length, 0);
    raw.pragma('wal_checkpoint(TRUNCATE)');
    raw.close();
    // The chain, the event and one small row for each key. The documents alone would take several
    // times that.
    expect(statSync(path).size).toBeLessThan(documents / 3);
    expect((await verifyStoreFile(path)).findings).toEqual([]);
    store = await openTestStore({ path });
  });

  it('does not write history that cannot be read back as a bundle (store-corrupt)', async () => {
    await federate([1], 1n);
    await store.close();
    const raw = openRaw(path);
    raw.exec('DROP TRIGGER bundle_keys_is_not_changed');
    const set = raw.prepare('UPDATE bundle_keys SET content = ?');
    expect(raw.prepare('SELECT document FROM bundle_document').pluck().get()).toContain('x5c');
    set.run('"keys":[]}');
    raw.close();
    store = await openTestStore({ path });
    await expect(store.current(istio)).rejects.toMatchObject({ code: 'store-corrupt' });
    // A later successful poll is still recorded, and repairs the current bundle.
    await expect(
      store.replaceCurrent({
        trustDomain: istio,
        expectedDigest: contentDigest(bundle([1])),
        version: version(bundle([2], 2n), at(60)),
      }),
    ).resolves.toMatchObject({ number: 2 });
    expect((await store.current(istio))?.number).toBe(2);
    await expect(store.history(istio)).rejects.toMatchObject({ code: 'store-corrupt' });
  });

  it('refuses a bundle that would read back differently, and keeps the current one', async () => {
    await federate([1], 1n);
    const good = bundle([2], 2n);
    const bad = {
      ...good,
      x509Authorities: good.x509Authorities.map((each) => ({ ...each, fingerprint: 'f'.repeat(64) })),
    };
    const place = { trustDomain: istio, expectedDigest: contentDigest(bundle([1])) };
    await expect(store.replaceCurrent({ ...place, version: version(bad) })).rejects.toMatchObject({
      code: 'store-corrupt',
    });
    expect(await store.history(istio)).toHaveLength(1);
    expect(await store.replaceCurrent({ ...place, version: version(good) })).toMatchObject({ number: 2 });
  });

  it('refuses to grow beyond maxBytes with store-full, loses nothing and continues when there is room', async () => {
    await federate([1], 1n);
    await store.close();
    store = await openTestStore({ path, maxBytes: 264 * 1024 });
    const kept: string[] = [];
    let refusal: unknown;
    for (let sequence = 2n; sequence < 1000n && !refusal; sequence += 1n) {
      try {
        const answer = await replace([1 + Number(sequence % 4n), 5], sequence);
        if (answer !== 'conflict') kept.push(answer.digest);
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal).toMatchObject({ code: 'store-full', cause: { code: 'SQLITE_FULL' } });
    expect(kept.length).toBeGreaterThan(3);
    const digests = async () =>
      (await store.history(istio, { limit: 1000 })).toReversed().map(({ digest }) => digest);
    expect((await digests()).slice(1)).toEqual(kept);
    expect((await store.current(istio))?.digest).toBe(kept.at(-1));
    await reopen();
    expect((await digests()).slice(1)).toEqual(kept);
    await expect(replace([6], 2000n)).resolves.toMatchObject({ number: kept.length + 2 });
  });

  it('lists versions, incidents and the end of trust in bundle_rotation', async () => {
    await federate([1], 4n);
    await store.recordIncident(outage);
    await store.recordIncident({ ...outage, at: at(20) });
    await store.endIncidents({ trustDomain: istio, at: at(30), actor: 'agent' });
    await replace([1, 2], 5n, at(40));
    await store.recordIncident({
      at: at(50),
      kind: 'bundle-refused',
      trustDomain: istio,
      actor: 'agent',
      code: 'sequence-rolled-back',
      message: 'held is 5, offered was 3',
      origin: 'https://istio.example:8443/',
      sequence: 3n,
    });
    await replace([2], 6n, at(60));
    await store.removeRelationship(istio, { at: at(70), actor: 'operator:0', reason: 'contract ended' });

    const name = (number: number) =>
      `${roots[number - 1]?.fingerprint.slice(0, 6)} ${roots[number - 1]?.subject}`;
    const raw = openRaw(path);
    const lines = raw
      .prepare<[], (string | number | null)[]>('SELECT * FROM bundle_rotation')
      .raw()
      .all()
      .map((line) => line.map((each) => each ?? '').join('|'));
    raw.close();
    const url = 'https://istio.example:8443/';
    expect(lines).toEqual([
      `${at(0).toISOString()}|istio.example|1|4|+ ${name(1)}||bootstrap|${url}|trusts 1 key`,
      `${at(10).toISOString()}|istio.example|||||unreachable|${url}|fetch-connect, seen 2 times, over at ${at(30).toISOString()}`,
      `${at(40).toISOString()}|istio.example|2|5|+ ${name(2)}||accepted|${url}|trusts 2 keys`,
      `${at(50).toISOString()}|istio.example||3|||refused|${url}|sequence-rolled-back, seen once, over at ${at(70).toISOString()}`,
      `${at(60).toISOString()}|istio.example|3|6||- ${name(1)}|accepted|${url}|trusts 1 key`,
      `${at(70).toISOString()}|istio.example||||- ${name(2)}|removed|operator:0|contract ended`,
    ]);
  });

  it('shows the life of each key in authority, and the present trust in trusted_now', async () => {
    await federate([1, 2], 4n);
    await replace([2, 3], 5n, at(40));
    await store.noteUnchanged(istio, at(90));
    const raw = openRaw(path);
    const lives = raw
      .prepare<
        [],
        { key: string; trusted: string; first_seen_at: string; last_seen_at: string; pem: string }
      >('SELECT key, trusted, first_seen_at, last_seen_at, pem FROM authority')
      .all();
    const now = raw.prepare('SELECT version, sequence, state FROM trusted_now').all();
    const life = (number: number) =>
      lives.find(({ key }) => key.startsWith(roots[number - 1]?.fingerprint.slice(0, 6) ?? '-'));
    expect(life(1)).toMatchObject({
      trusted: 'no',
      first_seen_at: at(0).toISOString(),
      last_seen_at: at(40).toISOString(),
    });
    expect(life(2)).toMatchObject({
      trusted: 'yes',
      first_seen_at: at(0).toISOString(),
      last_seen_at: at(90).toISOString(),
    });
    expect(life(3)).toMatchObject({
      trusted: 'yes',
      first_seen_at: at(40).toISOString(),
      last_seen_at: at(90).toISOString(),
    });
    expect(life(3)?.pem).toMatch(/^-----BEGIN CERTIFICATE-----\n/);
    expect(now).toEqual([{ version: 2, sequence: '5', state: 'active' }]);
    await store.removeRelationship(istio, { at: at(200), actor: 'operator:0', reason: 'gone' });
    const after = raw
      .prepare<[], { trusted: string; last_seen_at: string }>('SELECT trusted, last_seen_at FROM authority')
      .all();
    raw.close();
    expect(after.map(({ trusted }) => trusted)).toEqual(['no', 'no', 'no']);
    expect(after.filter(({ last_seen_at }) => last_seen_at === at(200).toISOString())).toHaveLength(2);
  });
});
