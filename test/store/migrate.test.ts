import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { silentLog, systemClock } from '../../src/platform/index.ts';
import type { TrustBundle } from '../../src/spiffe/index.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { APPLICATION_ID, migrate, migrations, SHAPE } from '../../src/store/sql/migrate.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { added, at, bundle, istio, relationship, start, version } from './sample-bundles.ts';

const shapeOf = (database: Sqlite.Database) =>
  database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all();

describe('migrate()', () => {
  it('converts an empty file to the present shape, and changes nothing the second time', () => {
    const database = new Sqlite(':memory:');
    expect(migrate(database, 'fresh').map(({ number }) => number)).toEqual(
      migrations.map(({ number }) => number),
    );
    expect(database.pragma('application_id', { simple: true })).toBe(APPLICATION_ID);
    expect(database.pragma('user_version', { simple: true })).toBe(SHAPE);
    const shape = shapeOf(database);
    expect(migrate(database, 'again')).toEqual([]);
    expect(shapeOf(database)).toEqual(shape);
    database.close();
  });

  it('ends in the same shape from every older one', () => {
    const fresh = new Sqlite(':memory:');
    migrate(fresh, 'fresh');
    for (let older = 1; older <= SHAPE; older += 1) {
      const database = new Sqlite(':memory:');
      for (const step of migrations.slice(0, older)) database.exec(step.sql);
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.pragma(`user_version = ${older}`);
      migrate(database, `shape ${older}`);
      expect(shapeOf(database)).toEqual(shapeOf(fresh));
      database.close();
    }
    fresh.close();
  });

  it('numbers its steps 1, 2, 3', () => {
    expect(migrations.map(({ number }) => number)).toEqual(migrations.map((_, index) => index + 1));
  });

  it('keeps every relationship when their table is created again', () => {
    const database = new Sqlite(':memory:');
    for (const step of migrations.slice(0, 1)) database.exec(step.sql);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma('user_version = 1');
    database.exec(`INSERT INTO relationship VALUES ('b.example', 'failing', 'no-route', 'no way', 'https://b.example/', 'https_spiffe',
      'spiffe://b.example/agent', NULL, 'bundle-pin', 'sha256:00', '2026-01-01T00:00:00.000Z', NULL, NULL, 3, '2025-01-01T00:00:00.000Z')`);
    const before = database.prepare('SELECT * FROM relationship').get();
    migrate(database, 'one relationship');
    expect(database.prepare('SELECT * FROM relationship').all()).toEqual([
      {
        ...Object(before),
        more_endpoint_urls: '[]',
        agent_id: null,
        policy: 'ask-on-dangerous',
        stale_after_seconds: null,
      },
    ]);
    database.close();
  });

  it('derives from the history since when keys are held, and compares sequences from the present one on', async () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    const store = await openTestStore({ path });
    const jwtAuthorities = [
      { keyId: 'k', jwk: { kty: 'OKP', crv: 'Ed25519', x: 'a'.repeat(42).concat('A') } },
    ];
    await store.addRelationship(relationship(), version(bundle([1], 1n), start, 'bootstrap'), added());
    const replace = async (offered: TrustBundle, when: Date) =>
      store.replaceCurrent({
        trustDomain: istio,
        expectedDigest: (await store.current(istio))?.digest ?? null,
        version: version(offered, when),
      });
    await replace({ ...bundle([1, 2], 2n), jwtAuthorities }, at(60));
    await replace({ ...bundle([2, 1, 3], 3n), jwtAuthorities }, at(120));
    const expected = await store.priorTrust(istio);
    await store.close();
    const database = new Sqlite(path);
    database.exec('DROP TABLE held_key; DROP TABLE sequence_anchor');
    const [step] = migrations.filter(({ name }) => name === 'what offers are judged by');
    database.exec(step?.sql ?? '');
    step?.fill?.(database);
    database.close();
    const migrated = await openSqliteStore({ path, clock: systemClock, log: silentLog });
    expect(await migrated.priorTrust(istio)).toEqual(expected);
    expect(expected).toMatchObject({ anchor: 3n, keys: { length: 4 } });
    await migrated.close();
  });

  it('makes all steps or none', () => {
    const database = new Sqlite(':memory:');
    // A foreign table makes the last statements of the first step fail.
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.exec('CREATE TABLE trusted_now (x)');
    const shape = shapeOf(database);
    expect(() => migrate(database, 'blocked')).toThrow('trusted_now');
    expect(shapeOf(database)).toEqual(shape);
    expect(database.pragma('user_version', { simple: true })).toBe(0);
    database.close();
  });
});
