import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../src/spiffe/index.ts';
import {
  type RootStage,
  type RootStageChange,
  type Store,
  type StoredHolding,
} from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { added, at, bundle, consul, istio, relationship, start, version } from './sample-bundles.ts';

const FIRST = 'aa'.repeat(32);
const SECOND = 'bb'.repeat(32);

const change = (fingerprint: string, stage: RootStage, seconds: number): RootStageChange => ({
  trustDomain: consul,
  fingerprint,
  label: `${fingerprint.slice(0, 6)} CN=Root`,
  stage,
  knownBy: stage === 'published' || stage === 'gone' ? 'bundle' : 'mesh',
  at: at(seconds),
});
const eventOf = (changes: readonly RootStageChange[]) =>
  changes.map((each) => ({
    change: each,
    event: {
      at: each.at,
      kind: `root-${each.stage}` as const,
      trustDomain: consul,
      actor: 'agent',
      message: 'm',
    },
  }));
const holding: StoredHolding = {
  trustDomain: istio,
  digest: 'cd'.repeat(32),
  sequence: 18446744073709551615n,
  since: at(1),
  inMesh: { progress: 'written', since: at(2) },
  signer: parseSpiffeId('spiffe://istio.example/agent'),
  address: '192.0.2.1',
  statedAt: at(3),
};

describe('the life of roots in a store', () => {
  let store: Store;
  beforeEach(async () => {
    store = await openTestStore();
  });
  afterEach(() => store.close());

  it('lists each root with its stage and the instants of all its stages, with an event each', async () => {
    await store.recordRootStages(eventOf([change(FIRST, 'published', 1), change(FIRST, 'in-use', 1)]));
    await store.recordRootStages(eventOf([change(SECOND, 'published', 5)]));
    await store.recordRootStages(eventOf([change(FIRST, 'retiring', 9), change(SECOND, 'in-use', 9)]));
    expect(await store.rootLives(consul)).toEqual([
      {
        trustDomain: consul,
        fingerprint: FIRST,
        label: `aaaaaa CN=Root`,
        stage: 'retiring',
        since: at(9),
        knownBy: 'mesh',
        publishedAt: at(1),
        inUseAt: at(1),
        retiringAt: at(9),
      },
      {
        trustDomain: consul,
        fingerprint: SECOND,
        label: 'bbbbbb CN=Root',
        stage: 'in-use',
        since: at(9),
        knownBy: 'mesh',
        publishedAt: at(5),
        inUseAt: at(9),
      },
    ]);
    expect(await store.rootLives(istio)).toEqual([]);
    expect((await store.events({ trustDomain: consul })).map(({ kind }) => kind)).toEqual([
      'root-in-use',
      'root-retiring',
      'root-published',
      'root-in-use',
      'root-published',
    ]);
  });

  it('begins a new life for a root that is published again', async () => {
    await store.recordRootStages(
      eventOf([
        change(FIRST, 'published', 1),
        change(FIRST, 'in-use', 2),
        change(FIRST, 'gone', 3),
        change(FIRST, 'published', 4),
      ]),
    );
    const [life] = await store.rootLives(consul);
    expect(life).toEqual({
      trustDomain: consul,
      fingerprint: FIRST,
      label: 'aaaaaa CN=Root',
      stage: 'published',
      since: at(4),
      knownBy: 'bundle',
      publishedAt: at(4),
    });
  });

  it('writes none of a list of changes when one is invalid', async () => {
    const wrong = eventOf([change(FIRST, 'published', 1), change('nonsense', 'published', 1)]);
    await expect(store.recordRootStages(wrong)).rejects.toThrow('64 hex digits');
    expect(await store.rootLives(consul)).toEqual([]);
    expect(await store.events()).toEqual([]);
  });

  it('keeps the newest holding of each peer, as long as there is a relationship with it', async () => {
    await store.recordPeerHolding(holding);
    expect(await store.peerHoldings()).toEqual([]);
    await store.addRelationship(relationship(), version(bundle([1], 1n), start, 'bootstrap'), added());
    await store.recordPeerHolding(holding);
    expect(await store.peerHoldings()).toEqual([holding]);
    const { sequence: _, inMesh: __, ...bare } = holding;
    await store.recordPeerHolding({ ...bare, statedAt: at(4) });
    expect(await store.peerHoldings()).toEqual([{ ...bare, statedAt: at(4) }]);
    await store.removeRelationship(istio, { at: at(5), actor: 'operator:1', reason: 'test' });
    expect(await store.peerHoldings()).toEqual([]);
  });
});

describe('own_root', () => {
  it('shows one line for each root, and its table only grows', async () => {
    using folder = tempDir();
    const path = folder.file('store.db');
    const store = await openTestStore({ path });
    await store.recordRootStages(
      eventOf([
        change(FIRST, 'published', 1),
        change(FIRST, 'gone', 2),
        change(FIRST, 'published', 3),
        change(FIRST, 'in-use', 4),
      ]),
    );
    await store.close();
    using database = { db: new Sqlite(path), [Symbol.dispose]: () => database.db.close() };
    const { db } = database;
    expect(
      db
        .prepare('SELECT root, stage, since, published_at, in_use_at, retiring_at, gone_at FROM own_root')
        .all(),
    ).toEqual([
      {
        root: 'aaaaaa CN=Root',
        stage: 'in-use',
        since: at(4).toISOString(),
        published_at: at(3).toISOString(),
        in_use_at: at(4).toISOString(),
        retiring_at: null,
        gone_at: null,
      },
    ]);
    expect(() => db.exec("UPDATE own_root_stage SET stage = 'gone'")).toThrow('nothing in it is changed');
    expect(() => db.exec('DELETE FROM own_root_stage')).toThrow('nothing in it is deleted');
    expect(() =>
      db.exec(
        `REPLACE INTO own_root_stage SELECT id, at, trust_domain, fingerprint, label, 'gone', known_by FROM own_root_stage LIMIT 1`,
      ),
    ).toThrow('nothing in it is replaced');
  });
});
