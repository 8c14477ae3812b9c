import type { Database } from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { openRaw } from './open-store.ts';
import { added, at, bundle, istio, outage, relationship, start, version } from './sample-bundles.ts';

describe('the history, at the sqlite3 prompt', () => {
  let folder: ReturnType<typeof tempDir>;
  let store: Store;
  let raw: Database;
  beforeEach(async () => {
    folder = tempDir();
    store = await openTestStore({ path: folder.file('federate.db') });
    await store.addRelationship(relationship(), version(bundle([1], 10n), start, 'bootstrap'), added());
    const held = await store.current(istio);
    await store.replaceCurrent({
      trustDomain: istio,
      expectedDigest: held?.digest ?? null,
      version: version(bundle([2], 20n), at(1)),
    });
    await store.recordIncident(outage);
    await store.endIncidents({ trustDomain: istio, at: at(11), actor: 'agent' });
    const decision = { trustDomain: istio, at: at(12), actor: 'operator:t', reason: 'why' };
    await store.distrustKey({ ...decision, keyFingerprint: 'a'.repeat(64), label: 'aaaaaa CN=Root' });
    await store.rejectOffer({ ...decision, digest: 'b'.repeat(64) });
    await store.issueCatalogue({ trustDomain: istio, document: '{}' }, at(13));
    raw = openRaw(folder.file('federate.db'));
    // As the sqlite3 program opens it.
    raw.pragma('recursive_triggers = OFF');
    raw.pragma('foreign_keys = OFF');
  });
  afterEach(async () => {
    raw.close();
    await store.close();
    folder[Symbol.dispose]();
  });

  const tables: [string, string][] = [
    ['bundle_version', 'origin'],
    ['authority_key', 'label'],
    ['bundle_version_authority', 'change'],
    ['event', 'message'],
    ['key_distrust', 'reason'],
    ['offer_rejection', 'reason'],
    ['catalogue_version', 'message'],
    ['catalogue_document', 'content'],
  ];
  for (const [table, column] of tables) {
    it(`${table} refuses UPDATE, DELETE and REPLACE, and keeps what it has`, () => {
      const rows = () => raw.prepare(`SELECT * FROM ${table}`).all();
      const before = rows();
      expect(before.length).toBeGreaterThan(0);
      expect(() => raw.exec(`UPDATE ${table} SET ${column} = ${column}`)).toThrow('nothing in it is changed');
      expect(() => raw.exec(`DELETE FROM ${table}`)).toThrow('nothing in it is deleted');
      expect(() => raw.exec(`REPLACE INTO ${table} SELECT * FROM ${table}`)).toThrow(
        /nothing in it is replaced|sequence-rolled-back/,
      );
      expect(() =>
        raw.exec(
          `INSERT INTO ${table} SELECT * FROM ${table} WHERE true ON CONFLICT DO UPDATE SET ${column} = 'x'`,
        ),
      ).toThrow(/nothing in it is replaced|sequence-rolled-back/);
      expect(rows()).toEqual(before);
    });
  }

  it('incident refuses DELETE, REPLACE and a change of an ended one', () => {
    expect(() => raw.exec('DELETE FROM incident')).toThrow('nothing in it is deleted');
    expect(() => raw.exec('REPLACE INTO incident SELECT * FROM incident')).toThrow(
      'nothing in it is replaced',
    );
    expect(() => raw.exec('UPDATE incident SET ended_at = NULL')).toThrow('goes on');
  });

  const insert = (number: number, sequence: string | null, verdict = 'accepted') =>
    raw
      .prepare(
        `INSERT INTO bundle_version (trust_domain, number, received_at, sequence, verdict, origin, digest, keys_id)
         VALUES ('istio.example', ?, '2026-03-01T12:00:00.000Z', ?, ?, 'prompt', 'd', 1)`,
      )
      .run(number, sequence, verdict);

  it('bundle_version takes only the next number and no lower sequence (FED-48)', () => {
    expect(() => insert(4, '21')).toThrow('without a gap');
    expect(() => insert(2, '21')).toThrow('without a gap');
    expect(() => insert(3, '19')).toThrow('sequence-rolled-back');
    expect(() => insert(3, '9')).toThrow('sequence-rolled-back');
    for (const odd of ['', '007', '-1', '1.5', ' 30', '18446744073709551616', '99999999999999999999'])
      expect(() => insert(3, odd, 'operator')).toThrow('CHECK');
    insert(3, '18446744073709551615');
    insert(4, '19', 'operator');
  });

  it('current_bundle points to the newest version only', () => {
    expect(() => raw.exec('UPDATE current_bundle SET number = 1')).toThrow('newest');
    expect(() => raw.exec("UPDATE current_bundle SET digest = 'x'")).toThrow('newest');
    expect(() => raw.exec("UPDATE current_bundle SET sequence = '19'")).toThrow('sequence-rolled-back');
    expect(() => raw.exec('UPDATE current_bundle SET sequence = NULL')).toThrow('sequence-rolled-back');
    raw.exec("UPDATE current_bundle SET sequence = '21'");
    raw.exec('DELETE FROM current_bundle');
    expect(() =>
      raw.exec(
        'INSERT INTO current_bundle SELECT trust_domain, number, sequence, digest FROM bundle_version WHERE number = 1',
      ),
    ).toThrow('newest');
    raw.exec(
      'INSERT INTO current_bundle SELECT trust_domain, number, sequence, digest FROM bundle_version WHERE number = 2',
    );
  });

  it('every table is STRICT', () => {
    const loose = raw
      .prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
      )
      .all();
    expect(loose).toEqual([]);
  });
});
