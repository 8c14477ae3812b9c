import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { silentLog, systemClock } from '../src/platform/index.ts';
import { bundleOf, parseTrustDomain } from '../src/spiffe/index.ts';
import { openSqliteStore } from '../src/store/index.ts';
import { createTestCa } from '../testkit/test-ca.ts';
import { type Bench, interleave } from './support/measure.ts';

const NAME = parseTrustDomain('b.example');

/** Single appends to the history with `synchronous=FULL`, beside a bare insert of as many bytes on the same disk. */
export const history: Bench = {
  name: 'history',
  async run({ quick }) {
    const count = quick ? 500 : 3000;
    const folder = mkdtempSync(join(tmpdir(), 'federate-bench-'));
    try {
      const ca = await createTestCa({ trustDomain: NAME });
      const other = await createTestCa({ trustDomain: NAME });
      const bare = new Database(join(folder, 'bare.db'));
      bare.pragma('journal_mode = WAL');
      bare.pragma('synchronous = FULL');
      bare.exec('create table t (x blob)');
      const insert = bare.prepare('insert into t values (?)');
      const row = Buffer.alloc(2048, 7);
      let file = 0;
      const appends = async () => {
        file += 1;
        const store = await openSqliteStore({
          path: join(folder, `${file}.db`),
          create: true,
          clock: systemClock,
          log: silentLog,
        });
        let expectedDigest: string | null = null;
        const start = performance.now();
        for (let index = 0; index < count; index += 1) {
          const bundle = bundleOf(NAME, [(index % 2 === 0 ? ca : other).authority], {
            sequence: BigInt(index + 1),
          });
          const version = { bundle, receivedAt: systemClock.now(), verdict: 'own' as const, origin: 'bench' };
          const written = await store.replaceCurrent({ trustDomain: NAME, expectedDigest, version });
          if (written === 'conflict') throw new Error('the bench wrote against itself');
          expectedDigest = written.digest;
        }
        const rate = count / ((performance.now() - start) / 1000);
        await store.close();
        return rate;
      };
      const inserts = async () => {
        const start = performance.now();
        for (let index = 0; index < count; index += 1) insert.run(row);
        return count / ((performance.now() - start) / 1000);
      };
      const { a, b, ratio } = await interleave(3, appends, inserts);
      bare.close();
      return [
        {
          what: 'history appends, FULL, one by one',
          value: `${a.toFixed(0)}/s`,
          target: '≥ 5000/s',
          reached: a >= 5000,
          note: `a bare insert of 2 KiB on this disk: ${b.toFixed(0)}/s, ratio ${ratio.toFixed(2)}`,
        },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
