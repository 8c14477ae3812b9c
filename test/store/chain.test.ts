import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyStoreFile } from '../../src/store/index.ts';
import { CHAIN_START, type ChainLink, linkHash, rowText } from '../../src/store/model/chain.ts';
import { ChainJudge } from '../../src/store/history/chain-judge.ts';
import { APPLICATION_ID, migrations } from '../../src/store/sql/migrate.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import {
  createHistoryCas,
  recordSignedHead,
  second,
  writeHistory,
  writeStoreFile,
} from './doctored-store.ts';
import { openRaw } from './open-store.ts';

/** A chain over `texts`, made by the rules. */
function chainOf(texts: readonly string[]): ChainLink[] {
  let previous = CHAIN_START;
  return texts.map((text, index) => {
    previous = linkHash(index + 1, previous, text);
    return { number: index + 1, table: 'event', rowId: index + 1, hash: previous, text };
  });
}

function judge(links: readonly ChainLink[], heads: readonly ChainLink[] = []) {
  const judged = new ChainJudge(heads.map(({ number }) => number));
  return [
    ...links.flatMap((link) => judged.add(link)),
    ...judged.judgeHeads(heads.map(({ number, hash }) => ({ number, hash, vouchedBy: 'signed' }))),
  ];
}

describe('linkHash()', () => {
  it('equals the sha256sum of the four parts, joined by line feeds', () => {
    // printf 'federate-chain-1\n1\n%064d\n{"table":"event"}' 0 | sha256sum
    expect(linkHash(1, CHAIN_START, '{"table":"event"}')).toBe(
      'e364700d8f7ad883edbeb2e6377350b20c332ab3c98cf21633c6c576acd125d8',
    );
  });
});

describe('rowText()', () => {
  it('writes the columns that count in their order, and null for absent ones', () => {
    expect(rowText('offer_rejection', { word: 'rejected', id: 3, extra: 'not chained', actor: 'ž"' })).toBe(
      '{"table":"offer_rejection","id":3,"at":null,"trust_domain":null,"digest":null,"word":"rejected","actor":"ž\\"","reason":null}',
    );
  });
});

describe('ChainJudge', () => {
  it('finds any one change, removal, swap or insertion in any chain, and nothing in a sound one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 20 }),
        fc.nat(),
        fc.string({ unit: 'binary' }),
        fc.constantFrom('change', 'remove-row', 'remove-link', 'swap-rows', 'cut', 'insert'),
        (texts, where, other, how) => {
          const links = chainOf(texts);
          const heads = links.slice(-1);
          expect(judge(links, heads)).toEqual([]);
          const index = where % links.length;
          const next = (index + 1) % links.length;
          const [link, neighbour] = [links[index], links[next]];
          if (!link || !neighbour) throw new Error('unreachable');
          fc.pre(link.text !== neighbour.text && link.text !== other);
          const { text: _, ...gone } = link;
          const doctored: Record<typeof how, ChainLink[]> = {
            change: links.with(index, { ...link, text: other }),
            'remove-row': links.with(index, gone),
            'remove-link': links.toSpliced(index, 1),
            'swap-rows': links
              .with(index, { ...link, text: neighbour.text ?? '' })
              .with(next, { ...neighbour, text: link.text ?? '' }),
            cut: links.slice(0, -1),
            insert: chainOf(texts.toSpliced(index, 0, other)),
          };
          expect(judge(doctored[how], heads)).not.toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('names the row and goes on: two changes are two findings', () => {
    const links = chainOf(['a', 'b', 'c', 'd', 'e']);
    const doctored = links.map((link) => (link.number % 2 === 0 ? { ...link, text: 'x' } : link));
    expect(judge(doctored)).toMatchObject([
      { code: 'row-changed', row: 'event 2' },
      { code: 'row-changed', row: 'event 4' },
    ]);
  });

  it('reports another chain of the same length as a rewritten one', () => {
    const judged = new ChainJudge([2]);
    const links = chainOf(['a', 'b']);
    for (const link of links) judged.add(link);
    const head = { number: 2, hash: links[1]?.hash ?? '', vouchedBy: 'signed' };
    expect(judged.judgeHeads([{ ...head, chain: links[0]?.hash ?? '' }])).toEqual([]);
    expect(judged.judgeHeads([{ ...head, chain: CHAIN_START }])).toMatchObject([
      { code: 'history-rewritten' },
    ]);
  });
});

describe('the chain of a store', () => {
  it('depends on nothing but what is written: two stores get the same links, for every kind of write', async () => {
    using folder = tempDir();
    const cas = await createHistoryCas();
    const chains = [];
    for (const options of [{}, { path: folder.file('federate.db') }]) {
      const store = await openTestStore(options);
      await writeHistory(store, cas);
      chains.push({ links: await store.chainLinks({ limit: 1000 }), head: await store.chainHead() });
      expect(await store.signedHeads()).toMatchObject([{ number: 26 }, { number: 7 }]);
      await store.close();
    }
    expect(chains[0]).toEqual(chains[1]);
    expect(judge(chains[0]?.links ?? [])).toEqual([]);
    expect(new Set(chains[0]?.links.map(({ table }) => table))).toEqual(
      new Set(['bundle_version', 'event', 'incident', 'key_distrust', 'offer_rejection']),
    );
  });

  it('does not keep a head that is not in it', async () => {
    const cas = await createHistoryCas();
    const store = await openTestStore();
    await writeHistory(store, cas);
    await recordSignedHead(store, cas, second(20));
    const [head] = await store.signedHeads({ limit: 1 });
    if (!head) throw new Error('unreachable');
    await expect(store.recordHead({ ...head, number: 3 })).rejects.toMatchObject({ code: 'store-corrupt' });
    await expect(store.recordHead({ ...head, number: 99 })).rejects.toMatchObject({ code: 'store-corrupt' });
    await store.close();
  });

  it('covers the rows of an older store after its conversion to the present shape', async () => {
    using folder = tempDir();
    const [present, older] = [folder.file('present.db'), folder.file('older.db')];
    await writeStoreFile(present, await createHistoryCas());
    const database = new Sqlite(older);
    for (const step of migrations.slice(0, 3)) database.exec(step.sql);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma('user_version = 3');
    database.exec(`ATTACH '${present}' AS present`);
    database.pragma('foreign_keys = OFF');
    for (const table of [
      'relationship',
      'authority_key',
      'bundle_version_authority',
      'event',
      'incident',
      'key_distrust',
      'offer_rejection',
    ])
      database.exec(`INSERT INTO main.${table} SELECT * FROM present.${table} ORDER BY 1`);
    database.exec(`INSERT INTO main.bundle_version
      SELECT v.id, v.trust_domain, v.number, v.received_at, v.sequence, v.verdict, v.origin, v.proved_by, v.digest, d.document
      FROM present.bundle_version AS v JOIN present.bundle_document AS d
        ON d.trust_domain = v.trust_domain AND d.version = v.number ORDER BY v.id`);
    for (const name of ['a.example', 'b.example', 'c.example'])
      database.exec(
        `INSERT INTO main.current_bundle SELECT * FROM present.current_bundle WHERE trust_domain = '${name}'`,
      );
    database.close();
    await (await openTestStore({ path: older })).close();
    const raw = openRaw(older);
    raw.exec(
      `ATTACH '${present}' AS present; INSERT INTO main.own_root_stage SELECT * FROM present.own_root_stage`,
    );
    raw.close();
    const report = await verifyStoreFile(older);
    expect(report).toMatchObject({ links: 27, findings: [], heads: { signed: 0, unsigned: 0 } });
  });

  it('refuses UPDATE, DELETE, REPLACE and gaps at the sqlite3 prompt', async () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    await writeStoreFile(path, await createHistoryCas());
    const raw = openRaw(path);
    raw.pragma('foreign_keys = OFF');
    for (const table of ['chain', 'chain_head']) {
      expect(() => raw.exec(`UPDATE ${table} SET hash = hash`)).toThrow('nothing in it is changed');
      expect(() => raw.exec(`DELETE FROM ${table}`)).toThrow('nothing in it is deleted');
      expect(() => raw.exec(`REPLACE INTO ${table} SELECT * FROM ${table}`)).toThrow(
        /replaced|without a gap/,
      );
    }
    expect(() => raw.exec(`INSERT INTO chain VALUES (90, 'event', 1, '${CHAIN_START}')`)).toThrow(
      'without a gap',
    );
    raw.close();
  });
});
