import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError, type ConfigMistake } from '../../src/config/index.ts';
import { checkConfig } from '../../testkit/check-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const GOOD = `
trust_domain: a.example
store: federate.db
endpoint:
  profile: https_web
  listen: 127.0.0.1:8443
  url: https://a.example/
  certificate_file: tls.crt
  key_file: tls.key
mesh:
  kind: files
  own_pem_files: [roots.pem]
  foreign_folder: foreign
`;

function mistakesIn(text: string): readonly ConfigMistake[] {
  using folder = tempDir();
  writeFileSync(folder.file('agent.yaml'), text);
  try {
    checkConfig('agent', folder.file('agent.yaml'));
  } catch (error) {
    if (error instanceof ConfigError)
      return error.mistakes.length === 0 ? [{ path: '', message: error.code }] : error.mistakes;
    throw error;
  }
  return [];
}

describe('checkConfig()', () => {
  it('accepts a good config', () => {
    expect(mistakesIn(GOOD)).toEqual([]);
  });

  it('accepts an identity with a Web PKI certificate, and only there', () => {
    const identity = 'identity: { certificate_file: svid.pem, key_file: svid.key }\n';
    expect(mistakesIn(`${GOOD}${identity}`)).toEqual([]);
    const spiffe = GOOD.replace('https_web', 'https_spiffe').replace(
      /certificate_file: tls.crt\n  key_file: tls.key/,
      'svid: { sds_socket: sds.sock }',
    );
    expect(mistakesIn(spiffe)).toEqual([]);
    expect(mistakesIn(`${spiffe}${identity}`).map(({ path }) => path)).toEqual(['identity']);
  });

  it('takes an Istio mesh config in a file with its roots, and without a cluster', () => {
    const mesh = (section: string) =>
      mistakesIn(GOOD.replace(/mesh:\n[\s\S]*$/, `mesh: { kind: istio, ${section} }\n`)).map(
        ({ path }) => path,
      );
    expect(mesh('mesh_config_file: mesh, own_pem_files: [roots.pem]')).toEqual([]);
    expect(mesh('mesh_config_file: mesh')).toEqual(['mesh.own_pem_files']);
    expect(mesh('own_pem_files: [roots.pem]')).toEqual(['mesh.own_pem_files']);
    expect(mesh('mesh_config_file: mesh, own_pem_files: [roots.pem], kubeconfig: k')).toEqual([
      'mesh.kubeconfig',
    ]);
  });

  it('reports every mistake at once, each with its path', () => {
    const text = GOOD.replace('127.0.0.1:8443', 'nowhere')
      .replace('https://a.example/', 'http://a.example/')
      .replace('store: federate.db', 'stoer: federate.db');
    expect(
      mistakesIn(text)
        .map((mistake) => mistake.path)
        .sort(),
    ).toEqual(['endpoint.listen', 'endpoint.url', 'stoer', 'store']);
  });

  it.each([
    ['an unknown key deep inside', GOOD.replace('kind: files', 'kind: files\n  pol: 5s'), 'mesh.pol'],
    ['a duration without a unit', `${GOOD}federation: { minimum_poll: "5" }`, 'federation.minimum_poll'],
    [
      'a range of addresses that is none',
      `${GOOD}federation: { forbidden_addresses: ["10.0.0.0/8", "10.0.0.0/33"] }`,
      'federation.forbidden_addresses[1]',
    ],
    [
      'a proxy over https',
      `${GOOD}federation: { proxy: { url: "https://proxy.example:3128" } }`,
      'federation.proxy.url',
    ],
    [
      'an entry of no_proxy that is no host',
      `${GOOD}federation: { proxy: { url: "http://proxy.example", no_proxy: ["a.example", "*.example"] } }`,
      'federation.proxy.no_proxy[1]',
    ],
    [
      'a number where a duration belongs',
      `${GOOD}federation: { minimum_poll: 5 }`,
      'federation.minimum_poll',
    ],
    ['a size without a unit', `${GOOD}federation: { max_document: "1000" }`, 'federation.max_document'],
    ['a bad trust domain', GOOD.replace('a.example\nstore', 'A.example\nstore'), 'trust_domain'],
    ['an unknown mesh', GOOD.replace('kind: files', 'kind: nomad'), 'mesh.kind'],
    ['files without a trust domain', GOOD.replace('trust_domain: a.example', ''), 'trust_domain'],
    [
      'two sources of own roots',
      GOOD.replace('foreign_folder', 'own_bundle_file: b.json\n  foreign_folder'),
      'mesh',
    ],
    ['a duplicate key', `${GOOD}store: again.db\n`, 'line 14'],
    [
      'a hint that is not a whole second',
      GOOD.replace('key_file', 'refresh_hint: 1500ms\n  key_file'),
      'endpoint.refresh_hint',
    ],
    ['a port that does not exist', GOOD.replace('8443', '84433'), 'endpoint.listen'],
  ])('refuses %s', (_what, text, path) => {
    expect(mistakesIn(text).map((mistake) => mistake.path)).toContain(path);
  });

  it('refuses credentials in the URL of a proxy, without repeating them', () => {
    const text = `${GOOD}federation: { proxy: { url: "http://ann:hunter2@proxy.example:3128" } }`;
    const [mistake] = mistakesIn(text);
    expect(mistake?.message).toContain('credentials are in credentials_file');
    expect(JSON.stringify(mistakesIn(text))).not.toContain('hunter2');
  });

  it.each([
    [
      'an unknown kind',
      GOOD.replace('kind: files', 'kind: file'),
      'mesh.kind',
      /^is one of istio, .*not "file"; did you mean "files"\?$/,
    ],
    [
      'a kind that is missing',
      GOOD.replace('  kind: files\n', ''),
      'mesh.kind',
      /^is missing: one of istio, /,
    ],
    [
      'a mistyped key',
      GOOD.replace('store:', 'stroe:'),
      'stroe',
      /^this key does not exist; did you mean "store"\?$/,
    ],
    [
      'a key of another section',
      GOOD.replace('store:', 'frobnicate:'),
      'frobnicate',
      /^this key does not exist$/,
    ],
    ['a mistyped word', `${GOOD}log_level: wran\n`, 'log_level', /did you mean "warn"\?$/],
    ['a number for a text', GOOD.replace('federate.db', '5'), 'store', /^must be a text, not 5$/],
    [
      'a list for a section',
      `${GOOD}federation: []\n`,
      'federation',
      /^must be a section with keys, not a list$/,
    ],
    [
      'a number that is too large',
      `${GOOD}federation: { max_redirects: 9 }\n`,
      'federation.max_redirects',
      /^is at most 5, not 9$/,
    ],
    ['an empty list', GOOD.replace('[roots.pem]', '[]'), 'mesh.own_pem_files', /^has at least 1 entry$/],
    ['an empty text', GOOD.replace('tls.crt', '""'), 'endpoint.certificate_file', /^is not empty$/],
    [
      'no URL',
      GOOD.replace(/mesh:[^]*$/, 'mesh: { kind: consul, address: nowhere }\n'),
      'mesh.address',
      /^is a URL such as /,
    ],
  ])('explains in plain language what is wrong: %s', (_what, text, path, message) => {
    expect(mistakesIn(text).find((mistake) => mistake.path === path)?.message).toMatch(message);
    for (const mistake of mistakesIn(text)) expect(mistake.message).not.toMatch(/[Ii]nvalid|discriminator/);
  });

  it('judges a section by the variant that was probably meant where its kind is wrong', () => {
    const paths = (text: string) => mistakesIn(text).map(({ path }) => path);
    const typo = GOOD.replace('kind: files', 'kind: fiels').replace('foreign_folder: foreign', 'poll: 5');
    expect(paths(typo)).toEqual(['mesh.foreign_folder', 'mesh.kind', 'mesh.poll']);
    const missing = GOOD.replace('  profile: https_web\n', '').replace('127.0.0.1:8443', 'nowhere');
    expect(paths(missing)).toEqual(['endpoint.profile', 'endpoint.listen']);
    const nothingNear = GOOD.replace('kind: files', 'kind: nomad');
    expect(paths(nothingNear)).toEqual(['mesh.kind']);
  });

  it('finds what does not go together across sections although other fields are wrong', () => {
    const text = GOOD.replace('trust_domain: a.example', 'log_level: loud').replace(
      'own_pem_files: [roots.pem]',
      'poll: 5',
    );
    expect(
      mistakesIn(text)
        .map(({ path }) => path)
        .sort(),
    ).toEqual(['log_level', 'mesh', 'mesh.poll', 'trust_domain']);
  });

  it('judges an SVID by the source that knows most of its keys', () => {
    const text = `${GOOD}identity: { certificat_file: a, key_file: b }\n`;
    expect(mistakesIn(text).map(({ path, message }) => [path, message])).toEqual([
      ['identity.certificate_file', 'is missing'],
      ['identity.certificat_file', 'this key does not exist; did you mean "certificate_file"?'],
    ]);
  });

  it('gives the line of each mistake, and of what is missing the line of its section', () => {
    const text = GOOD.replace('listen: 127.0.0.1:8443', 'listen: nowhere').replace(
      '  key_file: tls.key\n',
      '',
    );
    expect(mistakesIn(text).map(({ path, line }) => [path, line])).toEqual([
      ['endpoint.key_file', 4],
      ['endpoint.listen', 6],
    ]);
    const list = `${GOOD}federation:\n  forbidden_addresses:\n    - 10.0.0.0/8\n    - 10.0.0.0/33\n`;
    expect(mistakesIn(list)).toMatchObject([{ path: 'federation.forbidden_addresses[1]', line: 17 }]);
  });

  it.each([
    ['a key twice', `${GOOD}store: other.db\n`, 14, /stands a second time in its section/],
    ['a second document', `${GOOD}---\n${GOOD}`, 14, /a second YAML document begins here/],
    ['a tab', GOOD.replace('  kind', '\tkind'), 11, /a tab is used for the indentation/],
    ['a colon without a space', GOOD.replace('store: ', 'store:'), 3, /needs a space after it/],
    ['a line too far to the right', GOOD.replace('  listen', '    listen'), 5, /indented too far/],
    ['a key too far to the left', GOOD.replace('  listen', ' listen'), 6, /./],
    ['an open bracket', GOOD.replace('roots.pem]', 'roots.pem'), 13, /./],
  ])('says in plain words, once a line, what is not YAML: %s', (_what, text, line, message) => {
    const found = mistakesIn(text);
    expect(found).toContainEqual(
      expect.objectContaining({ line, message: expect.stringMatching(message) as unknown }),
    );
    const lines = found.map((each) => each.line);
    expect(new Set(lines).size).toBe(lines.length);
    for (const each of found) expect(each.message).not.toMatch(/YAML\.|at line|column \d/);
  });

  it.each([
    ['UTF-16', Buffer.from(`\uFEFF${GOOD}`, 'utf16le'), 'it is UTF-16: save it as UTF-8'],
    ['Latin-1', Buffer.from(`${GOOD}# caf\u00e9\n`, 'latin1'), 'it holds bytes that are not UTF-8'],
  ])('names an encoding that is not UTF-8: %s', (_what, bytes, message) => {
    using folder = tempDir();
    writeFileSync(folder.file('agent.yaml'), bytes);
    expect(() => checkConfig('agent', folder.file('agent.yaml'))).toThrowError(
      expect.objectContaining({
        code: 'config-unreadable',
        message: expect.stringContaining(message) as unknown,
      }),
    );
  });

  it('says so when the file is not there', () => {
    expect(() => checkConfig('agent', '/nonexistent/agent.yaml')).toThrowError(
      expect.objectContaining({ code: 'config-unreadable' }),
    );
  });

  it('refuses a config that expands without end', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefg'
        .split('')
        .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdef'[index]}`).join(',')}]`),
    ].join('\n');
    expect(mistakesIn(bomb)).toEqual([{ path: '', message: expect.stringMatching(/alias/i) }]);
  });
});
