import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { exportHistory, linkHash, verifyExport } from '../../src/store/index.ts';
import { createHistoryCas, type HistoryCas, second, writeHistory } from '../store/doctored-store.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { TEST_PATIENCE_MS } from '../../testkit/patience.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const SCRIPT = fileURLToPath(new URL('../../docs/verify-history.py', import.meta.url));

let folder: ReturnType<typeof tempDir>;
let cas: HistoryCas;
let lines: readonly string[];
let files = 0;
beforeAll(async () => {
  folder = tempDir();
  cas = await createHistoryCas();
  writeFileSync(folder.file('roots.pem'), pemFromCertificates([cas.ownCa.root]));
  writeFileSync(folder.file('other-roots.pem'), pemFromCertificates([cas.peerCa.root]));
  const store = await openTestStore();
  await writeHistory(store, cas);
  const written: string[] = [];
  for await (const line of exportHistory(store, { trustDomain: 'a.example', at: second(60) }))
    written.push(line);
  lines = written;
});
afterAll(() => folder[Symbol.dispose]());

/** What the program in docs/ says of these lines, and whether ours finds fault with them too. */
async function judge(exported: readonly string[], roots?: string) {
  files += 1;
  const path = folder.file(`${files}.jsonl`);
  const text = `${exported.join('\n')}\n`;
  writeFileSync(path, text);
  const { status, stdout, stderr } = spawnSync(
    'python3',
    [SCRIPT, path, ...(roots === undefined ? [] : [roots])],
    {
      encoding: 'utf8',
      timeout: TEST_PATIENCE_MS,
    },
  );
  const { found } = await verifyExport(Buffer.from(text));
  return { status, printed: stdout + stderr, ours: found === 0 ? 0 : 1 };
}

const find = (what: string) => lines.findIndex((line) => line.includes(what));
const swapped = (from: string, to: string) => lines.map((line) => line.replace(from, to));

/** All links from `index` on hashed anew, as whoever owns the store can do it. */
function rechained(rows: readonly string[]): string[] {
  let previous = '0'.repeat(64);
  let number = 0;
  return rows.map((line) => {
    const document = JSON.parse(line) as { link?: number; row?: string; names?: string; end?: unknown };
    if (document.end !== undefined) return JSON.stringify({ end: { links: number, hash: previous } });
    if (document.row === undefined) return line;
    number += 1;
    previous = linkHash(number, previous, document.row);
    return JSON.stringify({ link: number, hash: previous, names: document.names, row: document.row });
  });
}

describe('docs/verify-history.py', () => {
  it('finds an export sound, and says up to where and by whom it is signed', async () => {
    const { status, printed, ours } = await judge(lines, folder.file('roots.pem'));
    expect(printed).toBe(
      '27 links; signed up to link 26 by spiffe://a.example/federate at 2030-01-01T12:00:12+00:00\n',
    );
    expect([status, ours]).toEqual([0, 0]);
  });

  const doctored: [string, () => readonly string[], string][] = [
    ['a changed row', () => swapped('a new root', 'no new root'), 'event 5 is not what link 9 commits to'],
    ['a removed line', () => lines.toSpliced(6, 1), 'link 6 is missing'],
    [
      'two lines that changed places',
      () => lines.with(5, lines[6] ?? '').with(6, lines[5] ?? ''),
      'out of its place',
    ],
    ['a row that was put in', () => lines.toSpliced(8, 0, lines[7] ?? ''), 'out of its place'],
    ['a cut tail', () => lines.slice(0, 20), 'cut off'],
    [
      'a cut tail with an end',
      () => rechained([...lines.slice(0, 20), ...lines.slice(-3)]),
      'cut off or rewritten',
    ],
    ['a history rewritten', () => rechained(swapped('a new root', 'no new root')), 'rewritten'],
    ['a head that says something else', () => swapped('"number":26', '"number":25'), 'the head for link 25'],
    [
      'a signature that was changed',
      () => {
        const index = find('{"head":{"number":26');
        const { head } = JSON.parse(lines[index] ?? '') as { head: { statement: string } };
        const statement =
          head.statement.slice(0, -6) + (head.statement.endsWith('AAAAAA') ? 'BBBBBB' : 'AAAAAA');
        return lines.with(index, JSON.stringify({ head: { ...head, statement } }));
      },
      'its signature does not hold',
    ],
    ['a line that is no JSON', () => lines.toSpliced(4, 0, 'nonsense'), 'is not JSON'],
    ['an export without its beginning', () => lines.slice(1), 'does not begin'],
  ];
  it.each(doctored)('finds %s, as federate history verify does', async (_, doctor, why) => {
    const { status, printed, ours } = await judge(doctor());
    expect(printed).toContain(why);
    expect([status, ours]).toEqual([1, 1]);
  });

  it('finds heads that were not signed under the roots given', async () => {
    const { status, printed } = await judge(lines, folder.file('other-roots.pem'));
    expect(status).toBe(1);
    expect(printed).toContain('does not lead to the given roots');
  });

  it('says so when no head is signed', async () => {
    const bare = lines.filter((line) => !line.startsWith('{"head"'));
    const { status, printed } = await judge(bare);
    expect([status, printed]).toEqual([0, expect.stringContaining('no head is signed')]);
  });
});
