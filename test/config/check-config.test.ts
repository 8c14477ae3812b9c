import { chmodSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { checkConfigWithFiles, ConfigError, type ConfigMistake } from '../../src/config/index.ts';
import { bundleText } from '../../src/spiffe/bundle/bundle-document.ts';
import { bundleOf, parseTrustDomain, pemFromCertificates } from '../../src/spiffe/index.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';

const NAME = 'a.example';
let folder: ReturnType<typeof tempDir>;
let ca: TestCa;
let config: Record<string, unknown> & { endpoint: Record<string, unknown>; mesh: Record<string, unknown> };

/** A folder with everything that the config names, all of it good at `TEST_INSTANT`. */
beforeEach(async () => {
  folder = tempDir();
  ca = await createTestCa({ trustDomain: NAME, subject: 'CN=Root' });
  const web = await ca.issueLeaf({ uriSans: [], dnsSans: ['a.example'] });
  write('tls.crt', web.certPem);
  write('tls.key', web.keyPem, 0o600);
  write('roots.pem', pemFromCertificates([ca.root]));
  config = {
    trust_domain: NAME,
    admin_socket: 'admin.sock',
    ...plainAgentConfig(),
    mesh: { kind: 'files', own_pem_files: ['roots.pem'], foreign_folder: 'foreign' },
  };
});
afterEach(() => folder[Symbol.dispose]());

function write(name: string, text: string, mode = 0o644): void {
  writeFileSync(folder.file(name), text);
  chmodSync(folder.file(name), mode);
}

async function mistakes(text = stringify(config), options = {}): Promise<readonly ConfigMistake[]> {
  write('agent.yaml', text);
  try {
    await checkConfigWithFiles('agent', folder.file('agent.yaml'), { now: TEST_INSTANT, ...options });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
}
const found = async () => (await mistakes()).map(({ path, message }) => `${path}: ${message}`).join('\n');
const notes = async () => {
  write('agent.yaml', stringify(config));
  return await checkConfigWithFiles('agent', folder.file('agent.yaml'), { now: TEST_INSTANT });
};

describe('checkConfigWithFiles()', () => {
  it('reports nothing where every file exists and is good', async () => {
    expect(await found()).toBe('');
    expect(await notes()).toEqual([]);
  });

  it.each([
    [
      'is not there',
      () => (config.endpoint['certificate_file'] = 'none.crt'),
      /certificate_file: names ".*none\.crt", which does not exist/,
    ],
    [
      'is a folder',
      () => (config.endpoint['key_file'] = '.'),
      /key_file: names .*, which is a folder, not a file/,
    ],
    [
      'is not PEM',
      () => write('tls.crt', 'hello'),
      /certificate_file: names ".*tls\.crt", which cannot be used/,
    ],
    [
      'holds a key open to others',
      () => chmodSync(folder.file('tls.key'), 0o644),
      /key_file: .*mode 0644.*chmod 600/,
    ],
    [
      'holds a key open to its group',
      () => chmodSync(folder.file('tls.key'), 0o640),
      /key_file: .*mode 0640/,
    ],
    ['holds no root', () => write('roots.pem', ''), /mesh\.own_pem_files\[0\]: names ".*roots\.pem"/],
    [
      'would be made in a folder that is not there',
      () => (config['store'] = 'none/federate.db'),
      /store: names .*its folder .*none is not there/,
    ],
    [
      'would be made below a file',
      () => (config['admin_socket'] = 'tls.crt/admin.sock'),
      /admin_socket: names .*is not a folder/,
    ],
    [
      'is an empty token',
      () => {
        config.mesh = {
          kind: 'vault',
          address: 'https://vault.example',
          token_file: 'token',
          foreign_folder: 'f',
        };
        write('token', '\n', 0o600);
      },
      /mesh\.token_file: names .*it is empty/,
    ],
    [
      'is a token open to others',
      () => {
        config.mesh = {
          kind: 'vault',
          address: 'https://vault.example',
          token_file: 'token',
          foreign_folder: 'f',
        };
        write('token', 'x');
      },
      /mesh\.token_file: .*chmod 600/,
    ],
    [
      'is not a kubeconfig',
      () => {
        config.mesh = { kind: 'linkerd', kubeconfig: 'kubeconfig' };
        write('kubeconfig', 'a: b');
      },
      /mesh\.kubeconfig: names .*kubeconfig/,
    ],
    [
      'is not a bundle',
      () => {
        config.mesh = { kind: 'files', own_bundle_file: 'b.json', foreign_folder: 'f' };
        write('b.json', '{}');
      },
      /mesh\.own_bundle_file: names/,
    ],
  ])('names a file that %s', async (_what, spoil, expected) => {
    spoil();
    expect(await found()).toMatch(expected);
  });

  it('reports a key of another certificate, and a certificate for another host', async () => {
    write('tls.key', (await ca.issueLeaf()).keyPem, 0o600);
    expect(await found()).toMatch(/endpoint\.key_file: .*is not the key of the certificate/);
    const other = await ca.issueLeaf({ uriSans: [], dnsSans: ['b.example'] });
    write('tls.crt', other.certPem);
    write('tls.key', other.keyPem, 0o600);
    expect(await found()).toMatch(/does not name a\.example/);
  });

  it('judges an SVID as an SVID: its key, its ID, its time', async () => {
    config['identity'] = { certificate_file: 'svid.pem', key_file: 'svid.key' };
    const svid = await ca.issueLeaf();
    write('svid.pem', svid.certPem);
    write('svid.key', svid.keyPem, 0o600);
    expect(await found()).toBe('');
    write('svid.key', (await ca.issueLeaf()).keyPem, 0o600);
    expect(await found()).toMatch(/identity\.key_file: .*the private key is not the key of spiffe:/);
    const old = await ca.issueLeaf({ notAfter: new Date(TEST_INSTANT.getTime() - 1000) });
    write('svid.pem', old.certPem);
    write('svid.key', old.keyPem, 0o600);
    expect(await found()).toMatch(/identity\.certificate_file: .* ended at 2030-01-01T11:59:59/);
    const plain = await ca.issueLeaf({ uriSans: [], dnsSans: ['a.example'] });
    write('svid.pem', plain.certPem);
    write('svid.key', plain.keyPem, 0o600);
    expect(await found()).toMatch(/identity\.key_file: .*not an X509-SVID/);
  });

  it('notes a certificate that ends soon, and an ended one next to valid ones', async () => {
    const soon = await ca.issueLeaf({
      uriSans: [],
      dnsSans: ['a.example'],
      notAfter: new Date(TEST_INSTANT.getTime() + 60_000),
    });
    write('tls.crt', soon.certPem);
    write('tls.key', soon.keyPem, 0o600);
    const dead = await createTestCa({ trustDomain: NAME, notAfter: new Date(TEST_INSTANT.getTime() - 1) });
    write('roots.pem', pemFromCertificates([ca.root, dead.root]));
    expect((await notes()).map(({ code }) => code).sort()).toEqual([
      'certificate-ends',
      'certificate-not-valid',
    ]);
    write('roots.pem', pemFromCertificates([dead.root]));
    expect(await found()).toMatch(/own_pem_files\[0\]: .*ended at/);
  });

  it('takes a bundle document and a kubeconfig that are good', async () => {
    config.mesh = { kind: 'files', own_bundle_file: 'b.json', foreign_folder: 'f' };
    write('b.json', bundleText(bundleOf(parseTrustDomain(NAME), [ca.authority], { sequence: 1n })));
    expect(await found()).toBe('');
    config.mesh = { kind: 'linkerd', kubeconfig: 'kubeconfig' };
    const cluster = { name: 'c', cluster: { server: 'https://127.0.0.1:6443' } };
    const context = { name: 'x', context: { cluster: 'c', user: 'u' } };
    const users = [{ name: 'u', user: { token: 't' } }];
    write(
      'kubeconfig',
      stringify({ clusters: [cluster], contexts: [context], users, 'current-context': 'x' }),
    );
    expect(await found()).toBe('');
    config.mesh['context'] = 'y';
    expect(await found()).toMatch(/context "y" does not exist/);
  });

  it('names mistakes of the text and of the files at once, each with its line, in the order of the file', async () => {
    const found = await mistakes(
      stringify({ ...config, log_level: 'loud' })
        .replace('tls.crt', 'none.crt')
        .replace('kind: files', 'kind: file'),
    );
    expect(found.map(({ path }) => path)).toEqual(['endpoint.certificate_file', 'mesh.kind', 'log_level']);
    const lines = found.map(({ line }) => line ?? 0);
    expect(lines.every((line, index) => line > 1 && line > (lines[index - 1] ?? 0))).toBe(true);
  });

  it('opens nothing with withoutFiles', async () => {
    config.endpoint['certificate_file'] = 'none.crt';
    expect(await mistakes(stringify(config), { withoutFiles: true })).toEqual([]);
  });

  it('reads the routes of a gateway', async () => {
    const check = async () => {
      write('gateway.yaml', stringify({ listen: '127.0.0.1:1', routes_file: 'routes.yaml' }));
      return await checkConfigWithFiles('gateway', folder.file('gateway.yaml')).catch(
        ({ mistakes: found }: ConfigError) => found.map(({ message }) => message).join(),
      );
    };
    expect(await check()).toMatch(/which does not exist/);
    write('routes.yaml', 'a.example: nowhere\n');
    expect(await check()).toMatch(/which cannot be used/);
    write('routes.yaml', 'a.example: 10.0.0.1:443\n');
    expect(await check()).toEqual([]);
  });
});
