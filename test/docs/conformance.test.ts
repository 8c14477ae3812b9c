import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { collectTests } from '../../conformance/collect-tests.ts';
import { judgeList } from '../../conformance/judge-list.ts';
import { conformanceList, LIST_PATH } from '../../conformance/list.ts';
import { namedRows } from '../../conformance/named-rows.ts';

describe('the conformance list', () => {
  const { text, wrong } = conformanceList();

  it('holds: every row has a test or a reason, and no title names a row that is not there', () => {
    expect(wrong).toEqual([]);
  });

  it('stands in docs/conformance.md as it is now; npm run conformance writes it', () => {
    const written = existsSync(LIST_PATH) ? readFileSync(LIST_PATH, 'utf8') : '';
    expect(written === text ? 'the same' : 'stale: npm run conformance').toBe('the same');
  });
});

describe('judgeList()', () => {
  const row = { id: 'ID-01', level: 'MUST', asks: 'something' };
  const kept = { file: 'test/a.test.ts', title: 'does it', rows: ['ID-01'] };
  const judge = (rows: readonly object[], tests = [kept], divergences = '') =>
    judgeList([{ title: 'IDs', rows: rows as (typeof row)[] }], tests, divergences);

  it('finds nothing wrong with a row that a test names, or that says why none does', () => {
    expect(judge([row])).toEqual([]);
    expect(judge([{ ...row, notApplicable: 'no such part' }], [])).toEqual([]);
    expect(judge([{ ...row, choice: 'ours', differs: true }], [kept], '| ID-01 | ours | why |')).toEqual([]);
  });

  it.each([
    ['a row without test and reason', [row], [], ''],
    ['a row with both', [{ ...row, notApplicable: 'no such part' }], [kept], ''],
    ['a gap in the numbers', [row, { ...row, id: 'ID-03' }], [{ ...kept, rows: ['ID-01', 'ID-03'] }], ''],
    ['a silent row without a choice', [{ ...row, level: 'SILENT' }], [kept], ''],
    ['a choice that differs without a word', [{ ...row, choice: 'ours', differs: true }], [kept], ''],
    ['a divergence from no row', [row], [kept], 'ID-01 to ID-02'],
    ['a title that names no row', [row], [kept, { ...kept, rows: ['ID-99'] }], ''],
  ])('finds %s', (_what, rows, tests, divergences) => {
    expect(judge(rows, tests, divergences)).toHaveLength(1);
  });
});

describe('collectTests()', () => {
  const titles = (source: string) => collectTests(source).map((test) => test.titles.join(' › '));

  it('finds tests with the titles around them, and the texts of tables that become titles', () => {
    const source = `describe('a', () => { it('b', () => {}); it.each([['c'], ['d']])('%s', () => {}); });`;
    expect(titles(source)).toEqual(['a › b', 'a › %s']);
    expect(collectTests(source).map(({ tableTexts }) => tableTexts)).toEqual([[], ['c', 'd']]);
  });

  it.each([
    `// it('in a comment', () => {})`,
    `const text = "it('in a string', () => {})";`,
    `it.skip('skipped', () => {});`,
    `it.todo('planned');`,
    `it.fails('the other way round', () => {});`,
    `describe.skip('a', () => { it('in a skipped suite', () => {}); });`,
    `it('by option', { skip: true }, () => {});`,
    `it('by itself', (context) => { context.skip(); });`,
    `it('without a body');`,
  ])('finds none in %s', (source) => {
    expect(titles(source)).toEqual([]);
  });
});

describe('namedRows()', () => {
  it.each([
    ['keeps one (ID-01)', ['ID-01']],
    ['keeps several (TDB-17, FED-34; X509-20)', ['TDB-17', 'FED-34', 'X509-20']],
    ['keeps a range (X509-39..41)', ['X509-39', 'X509-40', 'X509-41']],
    ['keeps a range (ID-01 to ID-03)', ['ID-01', 'ID-02', 'ID-03']],
    ['keeps none, as SHA-256 and P-521 are none', []],
  ])('reads %s', (title, rows) => {
    expect(namedRows(title)).toEqual(rows);
  });
});
