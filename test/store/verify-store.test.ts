import { copyFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyStoreFile } from '../../src/store/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createHistoryCas, doctorStore, type HistoryCas, writeStoreFile } from './doctored-store.ts';
import { openRaw } from './open-store.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { catalogueDigest } from '../../src/store/model/catalogue-version.ts';
import { added, istio, relationship, start } from './sample-bundles.ts';

let folder: ReturnType<typeof tempDir>;
let sound: string;
let cas: HistoryCas;
let copies = 0;
beforeAll(async () => {
  folder = tempDir();
  sound = folder.file('sound.db');
  cas = await createHistoryCas();
  await writeStoreFile(sound, cas);
});
afterAll(() => folder[Symbol.dispose]());

/** A copy of the sound store after `sql` ran on it. */
const doctored = (sql: string, more?: { readonly rechain?: boolean }) => {
  copies += 1;
  const path = folder.file(`${copies}.db`);
  copyFileSync(sound, path);
  doctorStore(path, sql, more);
  return path;
};
const found = async (path: string) => {
  const { findings } = await verifyStoreFile(path);
  return findings.map(({ code, row }) => (row === undefined ? code : `${code}: ${row}`));
};

describe('verifyStoreFile()', () => {
  it('finds nothing in a sound store, and names the signers', async () => {
    const report = await verifyStoreFile(sound, { roots: cas.ownCa.bundle() });
    expect(report).toMatchObject({
      links: 27,
      heads: { signed: 2, unsigned: 0 },
      newestSigned: { number: 26, signer: 'spiffe://a.example/federate', rootedIn: 'the bundle given' },
      findings: [],
      found: 0,
    });
    expect((await verifyStoreFile(sound)).newestSigned?.rootedIn).toBe('the bundles of this history');
  });

  it('finds nothing where the triggers were only removed and restored', async () => {
    expect(await found(doctored('SELECT 1'))).toEqual([]);
  });

  const changes: [string, string, string][] = [
    [
      'bundle_version',
      "UPDATE bundle_version SET origin = 'elsewhere' WHERE id = 2",
      'row-changed: bundle_version 2',
    ],
    [
      'bundle_version',
      "UPDATE bundle_version SET received_at = '2029-01-01T00:00:00.000Z' WHERE id = 2",
      'row-changed: bundle_version 2',
    ],
    [
      'bundle_version',
      'UPDATE bundle_version SET proved_by = NULL WHERE id = 4',
      'row-changed: bundle_version 4',
    ],
    [
      'bundle_version',
      'UPDATE bundle_version SET keys_id = (SELECT keys_id FROM bundle_version WHERE id = 1) WHERE id = 2',
      'row-changed: bundle_version 2',
    ],
    [
      'bundle_version',
      "UPDATE bundle_version SET document_head = '{' WHERE id = 2",
      'row-changed: bundle_version 2',
    ],
    [
      'bundle_keys',
      'UPDATE bundle_keys SET content = (SELECT content FROM bundle_keys WHERE id = 1) WHERE id = 2',
      'row-changed: bundle_version 2',
    ],
    ['bundle_keys', 'DELETE FROM bundle_keys WHERE id = 2', 'row-changed: bundle_version 2'],
    ['event', "UPDATE event SET message = 'something else' WHERE id = 1", 'row-changed: event 1'],
    ['event', "UPDATE event SET detail = NULL WHERE kind = 'bundle-accepted'", 'row-changed: event 5'],
    ['event', "UPDATE event SET actor = 'operator:0' WHERE id = 3", 'row-changed: event 3'],
    ['incident', 'UPDATE incident SET times = 1 WHERE id = 1', 'row-changed: incident 1'],
    ['incident', 'UPDATE incident SET ended_at = NULL WHERE id = 1', 'row-changed: incident 1'],
    ['incident', "UPDATE incident SET code = 'other' WHERE id = 2", 'incident-wrong: incident 2'],
    ['key_distrust', "UPDATE key_distrust SET reason = 'none' WHERE id = 1", 'row-changed: key_distrust 1'],
    [
      'offer_rejection',
      "UPDATE offer_rejection SET word = 'rejected' WHERE id = 2",
      'row-changed: offer_rejection 2',
    ],
    ['authority_key', "UPDATE authority_key SET subject = 'CN=Nobody'", 'key-wrong: authority_key'],
    [
      'bundle_version_authority',
      "UPDATE bundle_version_authority SET change = 'kept' WHERE number = 2",
      'key-wrong: version 2 of b.example',
    ],
    [
      'own_root_stage',
      "UPDATE own_root_stage SET stage = 'gone' WHERE id = 2",
      'stage-wrong: own_root_stage 2',
    ],
    ['own_root_stage', "UPDATE own_root_stage SET label = 'x' WHERE id = 1", 'stage-wrong: own_root_stage 1'],
    [
      'current_bundle',
      "UPDATE current_bundle SET number = 1 WHERE trust_domain = 'b.example'",
      'current-wrong: current_bundle b.example',
    ],
    [
      'current_bundle',
      "UPDATE current_bundle SET sequence = '2' WHERE trust_domain = 'b.example'",
      'current-wrong: current_bundle b.example',
    ],
    ['chain', `UPDATE chain SET hash = '${'0'.repeat(64)}' WHERE number = 9`, 'row-changed'],
    ['chain_head', `UPDATE chain_head SET hash = '${'0'.repeat(64)}' WHERE id = 1`, 'head-unproven'],
    ['chain_head', "UPDATE chain_head SET signer = 'spiffe://a.example/other' WHERE id = 1", 'head-unproven'],
    [
      'chain_head',
      'UPDATE chain_head SET statement = (SELECT statement FROM chain_head WHERE id = 1)',
      'head-unproven',
    ],
  ];
  it.each(changes)('finds a changed row of %s: %s', async (_, sql, finding) => {
    expect(await found(doctored(sql))).toEqual(expect.arrayContaining([expect.stringContaining(finding)]));
  });

  const removals: [string, string, string][] = [
    ['bundle_version', 'DELETE FROM bundle_version WHERE id = 3', 'row-removed: bundle_version 3'],
    ['event', 'DELETE FROM event WHERE id = 2', 'row-removed: event 2'],
    ['event', 'DELETE FROM event WHERE id = (SELECT max(id) FROM event)', 'tail-missing: event'],
    ['incident', 'DELETE FROM incident WHERE id = 1', 'row-removed: incident 1'],
    ['incident', 'DELETE FROM incident WHERE id = 2', 'tail-missing: incident 2'],
    ['key_distrust', 'DELETE FROM key_distrust WHERE id = 1', 'row-removed: key_distrust 1'],
    ['offer_rejection', 'DELETE FROM offer_rejection WHERE id = 1', 'row-removed: offer_rejection 1'],
    [
      'authority_key',
      "DELETE FROM authority_key WHERE trust_domain = 'c.example'",
      'key-wrong: authority_key',
    ],
    [
      'bundle_version_authority',
      'DELETE FROM bundle_version_authority WHERE number = 2',
      'key-wrong: version 2 of b.example',
    ],
    [
      'current_bundle',
      "DELETE FROM current_bundle WHERE trust_domain = 'c.example'",
      'current-wrong: current_bundle c.example',
    ],
    ['own_root_stage', 'DELETE FROM own_root_stage WHERE id = 1', 'row-removed: own_root_stage 1'],
    ['own_root_stage', 'DELETE FROM own_root_stage WHERE id = 2', 'stage-wrong: event'],
    ['peer_head', 'DELETE FROM peer_head', 'tail-missing: peer_head 1'],
    ['chain', 'DELETE FROM chain WHERE number = 7', 'link-missing'],
    ['chain_head', 'DELETE FROM chain_head WHERE id = 2', 'tail-missing: chain_head 2'],
  ];
  it.each(removals)('finds a removed row of %s: %s', async (_, sql, finding) => {
    expect(await found(doctored(sql))).toEqual(expect.arrayContaining([expect.stringContaining(finding)]));
  });

  const insertions: [string, string, string][] = [
    [
      'bundle_version',
      'INSERT INTO bundle_version SELECT 100, trust_domain, 3, received_at, sequence, verdict, origin, proved_by, digest, document_head, keys_id FROM bundle_version WHERE id = 2',
      'row-inserted: bundle_version 100',
    ],
    [
      'event',
      "INSERT INTO event (at, kind, actor, message) VALUES ('2030-01-01T12:00:03.000Z', 'recovered', 'agent', 'all is well')",
      'row-inserted: event',
    ],
    [
      'incident',
      "INSERT INTO incident (began_at, last_at, times, kind, trust_domain, code, message, origin, actor) VALUES ('2030-01-01', '2030-01-01', 1, 'mesh-refused', 'b.example', 'x', 'y', 'z', 'agent')",
      'incident-wrong: incident 3',
    ],
    [
      'key_distrust',
      "INSERT INTO key_distrust (at, trust_domain, key_fingerprint, word, label, actor, reason) SELECT at, trust_domain, key_fingerprint, 'distrusted', label, actor, reason FROM key_distrust WHERE id = 1",
      'row-inserted: key_distrust 3',
    ],
    [
      'offer_rejection',
      'INSERT INTO offer_rejection (at, trust_domain, digest, word, actor, reason) SELECT at, trust_domain, digest, word, actor, reason FROM offer_rejection WHERE id = 1',
      'row-inserted: offer_rejection 3',
    ],
    [
      'authority_key',
      "INSERT INTO authority_key SELECT 'b.example', fingerprint, kind, label, subject, key_fingerprint, not_before, not_after, pem, key_id, jwk, first_seen_at FROM authority_key WHERE trust_domain = 'c.example'",
      'key-wrong: authority_key',
    ],
    [
      'bundle_version_authority',
      "INSERT INTO bundle_version_authority SELECT 'b.example', 1, fingerprint, 'added' FROM authority_key WHERE trust_domain = 'c.example'",
      'key-wrong: version 1 of b.example',
    ],
    [
      'current_bundle',
      "INSERT INTO current_bundle VALUES ('d.example', 1, NULL, 'x')",
      'current-wrong: current_bundle d.example',
    ],
    ['chain', `INSERT INTO chain VALUES (28, 'event', 1, '${'ab'.repeat(32)}')`, 'row-changed: event 1'],
    [
      'chain_head',
      `INSERT INTO chain_head (signed_at, number, hash) VALUES ('2031-01-01T00:00:00.000Z', 40, '${'ab'.repeat(32)}')`,
      'tail-missing',
    ],
  ];
  it.each(insertions)('finds an inserted row of %s', async (_, sql, finding) => {
    expect(await found(doctored(sql))).toEqual(expect.arrayContaining([expect.stringContaining(finding)]));
  });

  it('finds swapped rows, in their tables or in the chain', async () => {
    const events = `UPDATE event SET id = -1 WHERE id = 2; UPDATE event SET id = 2 WHERE id = 3; UPDATE event SET id = 3 WHERE id = -1`;
    expect(await found(doctored(events))).toEqual(
      expect.arrayContaining(['row-changed: event 2', 'row-changed: event 3']),
    );
    const links = `UPDATE chain SET number = -1 WHERE number = 4; UPDATE chain SET number = 4 WHERE number = 5; UPDATE chain SET number = 5 WHERE number = -1`;
    expect(await found(doctored(links))).toEqual(
      expect.arrayContaining([expect.stringContaining('row-changed')]),
    );
  });

  it('finds a history rewritten from a changed row on, by its signed heads', async () => {
    const path = doctored("UPDATE event SET message = 'nothing happened' WHERE id = 5", { rechain: true });
    const { findings, newestSigned } = await verifyStoreFile(path);
    expect(findings).toMatchObject([{ code: 'history-rewritten' }]);
    expect(findings[0]?.message).toMatch(/links \d+ to 26 /);
    expect(newestSigned?.number).toBe(7);
  });

  it('finds a truncated tail with doctored heads and counters, by the heads that a peer kept', async () => {
    const cut = `DELETE FROM chain WHERE number > 20; DELETE FROM chain_head WHERE number > 20;
      DELETE FROM event WHERE id NOT IN (SELECT row_id FROM chain WHERE table_name = 'event');
      DELETE FROM key_distrust WHERE id NOT IN (SELECT row_id FROM chain WHERE table_name = 'key_distrust');
      DELETE FROM offer_rejection WHERE id NOT IN (SELECT row_id FROM chain WHERE table_name = 'offer_rejection');
      DELETE FROM bundle_version_authority WHERE trust_domain = 'c.example' AND number = 2;
      DELETE FROM current_bundle WHERE trust_domain = 'c.example';
      DELETE FROM bundle_version WHERE trust_domain = 'c.example' AND number = 2;
      INSERT INTO current_bundle SELECT trust_domain, number, sequence, digest FROM bundle_version WHERE trust_domain = 'c.example';
      DELETE FROM own_root_stage; DELETE FROM peer_head;
      DELETE FROM sqlite_sequence WHERE name IN ('own_root_stage', 'peer_head');
      UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM event) WHERE name = 'event';
      UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM key_distrust) WHERE name = 'key_distrust';
      UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM offer_rejection) WHERE name = 'offer_rejection';
      UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM chain_head) WHERE name = 'chain_head';`;
    const path = doctored(cut);
    expect(await found(path)).toEqual([]);
    const raw = openRaw(sound);
    const kept = raw
      .prepare<[], { signed_at: string; number: number; hash: string; signer: string; statement: string }>(
        'SELECT * FROM chain_head ORDER BY id DESC LIMIT 1',
      )
      .get();
    const chain = raw.prepare<[], string>('SELECT hash FROM chain WHERE number = 1').pluck().get() ?? '';
    raw.close();
    const { signed_at: at = '', number = 0, hash = '', signer = '', statement = '' } = kept ?? {};
    const heads = [{ at: new Date(at), number, hash, chain, signer, statement }];
    expect((await verifyStoreFile(sound, { heads })).findings).toEqual([]);
    expect((await verifyStoreFile(path, { heads })).findings).toMatchObject([
      { code: 'tail-missing', message: expect.stringContaining('ends at link 20, but link 26 was signed') },
    ]);
  });

  it('reports heads that are not signed under the given roots', async () => {
    const foreign = await createHistoryCas();
    const report = await verifyStoreFile(sound, { roots: foreign.ownCa.bundle() });
    expect(report.findings).toMatchObject([{ code: 'head-unproven' }]);
  });

  it('finds triggers and tables that differ from those of a new store', async () => {
    const path = folder.file('shape.db');
    copyFileSync(sound, path);
    const raw = openRaw(path);
    raw.exec('DROP TRIGGER event_is_not_changed; CREATE TABLE extra (x)');
    raw.close();
    const { findings } = await verifyStoreFile(path);
    expect(findings.map(({ message }) => message)).toEqual([
      'the trigger event_is_not_changed is gone',
      'the table extra does not belong to a store',
    ]);
  });

  it('finds changed catalogues: their rows by the chain, their content by its digest', async () => {
    const path = folder.file('catalogues.db');
    const store = await openTestStore({ path });
    await store.addRelationship(relationship(), undefined, added());
    for (const document of ['{"services":[]}', '{"services":["info"]}'])
      await store.issueCatalogue({ trustDomain: istio, document }, start);
    await store.close();
    expect(await found(path)).toEqual([]);
    doctorStore(
      path,
      `UPDATE catalogue_document SET content = '{"services":["other"]}' WHERE content LIKE '%info%'`,
    );
    const digest = catalogueDigest('{"services":["info"]}');
    expect(await found(path)).toEqual([`row-changed: catalogue_document ${digest}`]);
    doctorStore(path, 'UPDATE catalogue_version SET sequence = 7 WHERE id = 2');
    expect(await found(path)).toContain('row-changed: catalogue_version 2');
    doctorStore(path, 'DELETE FROM catalogue_version WHERE id = 2');
    expect(await found(path)).toContain('row-removed: catalogue_version 2');
  });
});
