import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createIstioFileAdapter, examineIstioFile } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import {
  certificatesFromPem,
  parseCertificate,
  parseTrustDomain,
  pemFromCertificates,
} from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';

const MESH = `# kept as it is
trustDomain: east.example
defaultConfig: {proxyMetadata: {PROXY_CONFIG_XDS_AGENT: "true"}}
`;
const { signal } = new AbortController();

async function openFile(more: { readonly acceptUnnarrowed?: boolean } = {}) {
  const folder = tempDir();
  const path = folder.file('mesh');
  const beside = `${path}.federate.json`;
  const roots = [await createTestCa({ trustDomain: 'east.example' })];
  const publish = () =>
    writeFileSync(folder.file('root-cert.pem'), pemFromCertificates(roots.map(({ root }) => root)));
  writeFileSync(path, MESH);
  publish();
  const adapter = createIstioFileAdapter({
    meshConfigFile: path,
    ownPemFiles: [folder.file('root-cert.pem')],
    pollMs: 20,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...more,
  });
  const text = () => readFileSync(path, 'utf8');
  return {
    adapter,
    path,
    beside,
    text,
    trustDomain: parseTrustDomain('east.example'),
    addOwnRoot: async () => {
      roots.push(await createTestCa({ trustDomain: 'east.example' }));
      publish();
    },
    held: async () => {
      const { caCertificates } = parse(text()) as {
        caCertificates?: { pem: string; trustDomains: string[] }[];
      };
      const held: Record<string, string[]> = {};
      for (const { pem, trustDomains } of caCertificates ?? []) {
        const keys = certificatesFromPem(pem).map((der) => parseCertificate(der).keyFingerprint);
        for (const trustDomain of trustDomains) (held[trustDomain] ??= []).push(...keys);
      }
      return held;
    },
    state: async () => JSON.stringify([text(), existsSync(beside) && readFileSync(beside, 'utf8')]),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      folder[Symbol.dispose]();
    },
  };
}

meshAdapterContract('createIstioFileAdapter()', () => openFile());

describe('createIstioFileAdapter()', () => {
  it('keeps every other byte of the file, and leaves nothing of ours behind in the end', async () => {
    await using mesh = await openFile();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    expect(mesh.text()).toContain('# kept as it is');
    writeFileSync(mesh.path, mesh.text().replace('# kept as it is', '# edited by hand'));
    await mesh.adapter.applyForeignTrust([], signal);
    expect(mesh.text()).toBe(MESH.replace('# kept as it is', '# edited by hand'));
    expect(existsSync(mesh.beside)).toBe(false);
  });

  it('knows its entries again when its memory is from before or after a crash', async () => {
    await using mesh = await openFile({ acceptUnnarrowed: true });
    const west = await createTestCa({ trustDomain: 'west.example' });
    const next = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    const before = mesh.text();
    await mesh.adapter.applyForeignTrust([next.bundle()], signal);
    // The config is the one before the last write, what is remembered the one that is written ahead of it.
    const { anchors } = JSON.parse(readFileSync(mesh.beside, 'utf8')) as { anchors: object[] };
    writeFileSync(mesh.path, before);
    const old = { anchor: parseCertificate(west.root).fingerprint };
    writeFileSync(mesh.beside, JSON.stringify({ anchors: [...anchors, old], listWas: null }));
    const reports = await mesh.adapter.applyForeignTrust([next.bundle()], signal);
    expect(reports).toMatchObject([{ state: 'written' }]);
    expect(await mesh.held()).toEqual({ 'west.example': [next.authority.keyFingerprint] });
    await mesh.adapter.applyForeignTrust([], signal);
    expect(mesh.text()).toBe(MESH);
  });

  it.each([
    ['a config that is not there', 'mesh-config-missing', undefined],
    ['a config that is not YAML', 'mesh-config-malformed', 'trustDomain: ['],
    ['a trust domain that is none', 'own-trust-domain-malformed', 'trustDomain: East_Example!\n'],
  ])('writes nothing for %s and reports it', async (_, code, text) => {
    await using mesh = await openFile();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([], signal);
    if (text === undefined) (await import('node:fs')).rmSync(mesh.path);
    else writeFileSync(mesh.path, text);
    await expect(mesh.adapter.applyForeignTrust([west.bundle()], signal)).rejects.toMatchObject({ code });
    expect(existsSync(mesh.path) ? mesh.text() : undefined).toBe(text);
    expect(mesh.adapter.status()).toMatchObject({ connected: false, code });
  });

  it('refuses to publish roots that are not there', async () => {
    await using mesh = await openFile();
    writeFileSync(mesh.path.replace(/mesh$/, 'root-cert.pem'), 'none');
    await expect(mesh.adapter.applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'own-roots-malformed',
    });
  });
});

describe('examineIstioFile()', () => {
  it('finds nothing wrong in a good file, and names what it could not see', async () => {
    await using mesh = await openFile();
    const { findings } = await examineIstioFile(mesh.path, systemClock);
    expect(findings).toMatchObject([{ code: 'only-mesh-config-examined', level: 'note' }]);
  });

  it('names what is wrong in it', async () => {
    await using mesh = await openFile();
    writeFileSync(mesh.path, 'caCertificates: [{pem: x}]\n');
    const codes = (await examineIstioFile(mesh.path, systemClock)).findings.map(({ code }) => code);
    expect(codes).toEqual([
      'xds-agent-off',
      'trust-domain-ambiguous',
      'foreign-entry-invalid',
      'only-mesh-config-examined',
    ]);
    expect((await examineIstioFile('/nonexistent/mesh', systemClock)).findings).toMatchObject([
      { code: 'mesh-config-missing', level: 'wrong' },
    ]);
  });
});
