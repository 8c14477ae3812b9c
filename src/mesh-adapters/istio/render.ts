/** One entry of `caCertificates` as we write it: one certificate, for one trust domain. */
export interface WantedEntry {
  readonly trustDomain: string;
  readonly pem: string;
}

/**
 * Entries as lines of a block sequence, each with the indentation of its dash.
 */
export function renderBlockEntries(entries: readonly WantedEntry[], indent: string, eol: string): string {
  return entries
    .flatMap(({ trustDomain, pem }) => [
      '- pem: |',
      ...pem
        .trimEnd()
        .split('\n')
        .map((line) => `    ${line}`),
      // Always quoted: a trust domain may look like a number or a boolean.
      `  trustDomains: [${JSON.stringify(trustDomain)}]`,
    ])
    .map((line) => `${indent}${line}${eol}`)
    .join('');
}

/** The same entries for a list in brackets, without the brackets. */
export function renderFlowEntries(entries: readonly WantedEntry[]): string {
  return entries
    .map(({ trustDomain, pem }) => JSON.stringify({ pem, trustDomains: [trustDomain] }))
    .join(', ');
}
