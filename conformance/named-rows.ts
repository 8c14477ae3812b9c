/** The families of rows, as the conformance list numbers them. */
const FAMILY = '(?:ID|TDB|MAP|FED|X509|JWT|WLAPI|WIT|BRK)';
const NAME = new RegExp(String.raw`\b(${FAMILY})-(\d+)(?:(?:\.\.| to | – )(?:(${FAMILY})-)?(\d+))?`, 'g');

/**
 * The conformance rows that a title names, each once, in order of appearance: single rows, lists with commas, and ranges
 * written `X509-39..43`, `ID-01 to ID-06` or `ID-01 – ID-06`. Rows that do not exist are named too; whoever holds the list tells.
 */
export function namedRows(title: string): string[] {
  const rows = [...title.matchAll(NAME)].flatMap(([, family = '', first = '', lastFamily, last]) =>
    // "TDB-44 to 16 levels" is a row and some words, "FED-39..42" is a range.
    last === undefined || (lastFamily ?? family) !== family
      ? [`${family}-${first}`, ...(last === undefined ? [] : [`${lastFamily}-${last}`])]
      : between(family, first, last),
  );
  return [...new Set(rows)];
}

function between(family: string, first: string, last: string): string[] {
  const length = Math.max(0, Number(last) - Number(first)) + 1;
  return Array.from({ length }, (_, index) => {
    const number = String(Number(first) + index).padStart(first.length, '0');
    return `${family}-${number}`;
  });
}
