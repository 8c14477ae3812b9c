import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isWarningCode, WARNING_CODES } from '../../src/admin/index.ts';

describe('docs/operations.md', () => {
  it('says of every code of a warning what it means and what to do, and of no other', () => {
    const page = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
    const section = (page.split('\n## Warnings\n')[1] ?? '').split('\n## ')[0] ?? '';
    const rows = section
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const listed = rows.map(([, code = '']) => code.replaceAll('`', ''));
    expect(listed.filter((code) => !isWarningCode(code))).toEqual([]);
    expect(WARNING_CODES.filter((code) => !listed.includes(code))).toEqual([]);
    expect(new Set(listed).size).toBe(listed.length);
    for (const [, code, meaning = '', remedy = ''] of rows)
      expect([code, meaning.length > 10, remedy.length > 10]).toEqual([code, true, true]);
  });
});
