import { describe, expect, it } from 'vitest';
import {
  type ImportReport,
  importReportClaim,
  readImportReport,
  shorterReports,
} from '../../../src/services/index.ts';
import { claimsFrom } from '../../../testkit/catalogues.ts';

const report: ImportReport = {
  sequence: 7,
  imported: ['info', 'web.shop'],
  refused: [{ id: 'db', code: 'import-refused' }],
  wantedSni: new Map([['info/http', 'a1.info.example']]),
  isPartial: false,
};
const read = (claim: unknown) =>
  readImportReport(claimsFrom(JSON.stringify({ exports: claim })).get('exports'));

describe('a report about imports', () => {
  it.each([report, ...shorterReports(report)])('reads as it was written: %j', (each) => {
    expect(read(importReportClaim(each))).toEqual(each);
  });

  it('gets shorter to the end', () => {
    const sizes = shorterReports(report).map((each) => JSON.stringify(importReportClaim(each)).length);
    expect(sizes.at(-1)).toBeLessThan(80);
    expect(shorterReports(report).at(-1)).toMatchObject({ sequence: 7, imported: [], isPartial: true });
  });

  it.each([
    null,
    [],
    'x',
    { ...importReportClaim(report), sequence: -1 },
    { ...importReportClaim(report), sequence: '7' },
    { ...importReportClaim(report), imported: ['Info'] },
    { ...importReportClaim(report), imported: ['../etc'] },
    { ...importReportClaim(report), imported: Array.from({ length: 1001 }, (_, index) => `s${index}`) },
    { ...importReportClaim(report), refused: [{ id: 'info', code: 'a b' }] },
    { ...importReportClaim(report), refused: [{ id: 'info' }] },
    { ...importReportClaim(report), wanted_sni: { info: 'a.example' } },
    { ...importReportClaim(report), wanted_sni: { 'info/http': '*.example' } },
    { ...importReportClaim(report), wanted_sni: { 'info/http/x': 'a.example' } },
    { ...importReportClaim(report), wanted_sni: [] },
  ])('is not read from %j', (claim) => {
    expect(read(claim)).toBeUndefined();
  });
});
