import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMeshConfig } from '../../../src/mesh-adapters/istio/mesh-config-document.ts';
import { insertOwnEntries, removeOwnEntries } from '../../../src/mesh-adapters/istio/splice.ts';

const FIXTURES = '../../../fixtures/mesh/istio';
const PEM = (name: string) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(name.repeat(12)).toString('base64').slice(0, 64)}\n-----END CERTIFICATE-----\n`;
const OURS = [
  { trustDomain: 'north.example', pem: PEM('north') },
  { trustDomain: '1e3', pem: PEM('west') },
];
const isOurs = ({ pem }: { pem?: string }) => OURS.some((entry) => entry.pem === pem);
const theirs = `- pem: ${JSON.stringify(PEM('theirs'))} # theirs\n  trustDomains: [theirs.example]\n`;

const CASES: Record<string, string> = {
  absent:
    '# Mesh-wide settings.\ntrustDomain: istio.example # own\ndefaultConfig:\n  proxyMetadata: {A: "1"}\n',
  'absent-without-line-end': '# first\ntrustDomain: istio.example\nlast: |\n  a',
  'absent-before-end-marker': '---\ntrustDomain: istio.example\n...\n',
  'empty-list': 'trustDomain: istio.example\ncaCertificates: [] # none\nlast: 1\n',
  'empty-list-with-comment': 'caCertificates: [ # [none]\n  ]\nlast: 1\n',
  null: 'caCertificates: # none yet\nlast: 1\n',
  'null-at-end': 'trustDomain: istio.example\ncaCertificates:',
  tilde: 'caCertificates: ~\nlast: 1\n',
  'flow-list': `caCertificates: [{pem: ${JSON.stringify(PEM('theirs'))}, trustDomains: [theirs.example]}, {spiffeBundleUrl: "https://x"}]\nlast: 1\n`,
  'block-list': `first: 1\ncaCertificates:\n# a comment\n${theirs}# another\nlast: 1\n`,
  'block-list-indented': `caCertificates:\n  ${theirs.replace('\n  ', '\n    ')}\n\nlast: 1\n`,
  'crlf-absent': 'trustDomain: istio.example\r\nlast: 1\r\n',
  'crlf-block-list': `caCertificates:\r\n${theirs.replaceAll('\n', '\r\n')}last: 1\r\n`,
  json: '{"trustDomain": "istio.example", "last": 1}',
  'json-empty': '{}',
  'comments-only': '# nothing here\n',
  empty: '',
};

describe('insertOwnEntries()', () => {
  it.each(
    Object.entries(CASES),
  )('puts entries into a mesh config of kind %s and removal restores it byte for byte', async (name, text) => {
    const before = parseMeshConfig(text);
    const spliced = insertOwnEntries(text, OURS);
    const after = parseMeshConfig(spliced.text);
    expect(after.rest).toEqual(before.rest);
    const entries = after.list?.entries ?? [];
    expect(
      entries.filter(isOurs).map(({ pem, trustDomains }) => ({ pem, trustDomain: trustDomains[0] })),
    ).toEqual(OURS);
    expect(entries.length).toBe((before.list?.entries.length ?? 0) + OURS.length);
    expect(removeOwnEntries(spliced.text, isOurs, spliced.origin)).toBe(text);
    await expect(spliced.text).toMatchFileSnapshot(`${FIXTURES}/${name}/mesh-config.yaml`);
  });

  it('keeps everything else byte for byte, in any text (property)', () => {
    const line = fc.oneof(
      fc.constantFrom<string[]>(
        '# a comment',
        '',
        'a: "x # y"',
        'b: |\n  text\n\n  more',
        'c: {d: [1, 2]}',
        'e:\n- 1\n- 2',
        "f: 'it''s'",
        'trustDomain: t.example',
      ),
    );
    const list = fc.constantFrom<(string | undefined)[]>(
      undefined,
      'caCertificates: []',
      'caCertificates:',
      'caCertificates: null',
      `caCertificates:\n${theirs.trimEnd()}`,
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(line, { selector: (text) => text.slice(0, 2), maxLength: 7 }),
        list,
        fc.nat(7),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        (lines, caList, at, eol, ended) => {
          const all = caList === undefined ? lines : lines.toSpliced(at, 0, caList);
          const text = (all.join('\n') + (ended ? '\n' : '')).replaceAll('\n', eol);
          const { text: spliced, origin } = insertOwnEntries(text, OURS);
          expect(parseMeshConfig(spliced).list?.entries.filter(isOurs)).toHaveLength(OURS.length);
          expect(removeOwnEntries(spliced, isOurs, origin)).toBe(text);
        },
      ),
    );
  });

  it('keeps what others add to a list that we started', () => {
    const { text, origin } = insertOwnEntries('a: 1\n', OURS);
    expect(removeOwnEntries(`${text}${theirs}b: 2\n`, isOurs, origin)).toBe(
      `a: 1\ncaCertificates:\n${theirs}b: 2\n`,
    );
  });

  it.each([
    ['mesh-config-malformed', 'a: [1'],
    ['mesh-config-malformed', '- a list'],
    ['mesh-config-malformed', 'a: 1\na: 2\n'],
    ['mesh-config-malformed', 'a: 1\n---\nb: 2\n'],
    ['mesh-config-unsupported', 'x: &l []\ncaCertificates: *l\n'],
    ['mesh-config-unsupported', 'caCertificates: text\n'],
  ])('refuses with %s: %j', (code, text) => {
    expect(() => insertOwnEntries('a: 1\n', OURS)).not.toThrow();
    expect(() => insertOwnEntries(text, OURS)).toThrow(expect.objectContaining({ code }));
  });
});
