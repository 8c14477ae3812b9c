import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFilesAdapter, MeshAdapterError } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock } from '../../../src/platform/index.ts';
import {
  bundleOf,
  parseBundleMap,
  parseTrustDomain,
  pemFromCertificates,
  serializeBundle,
} from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../contract/mesh-adapter-contract.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTestCa } from '../../support/test-ca.ts';

const trustDomain = parseTrustDomain('east.example');

async function openFiles(folder = tempDir()) {
  const ca = await createTestCa({ trustDomain });
  const pemFile = folder.file('own.pem');
  writeFileSync(pemFile, pemFromCertificates([ca.root]));
  const foreignFolder = folder.file('foreign');
  const adapter = createFilesAdapter({
    trustDomain,
    own: { pemFiles: [pemFile] },
    foreignFolder,
    pollMs: 5,
    clock: systemClock,
    log: silentLog,
  });
  const names = () => (existsSync(foreignFolder) ? readdirSync(foreignFolder).sort() : []);
  return {
    adapter,
    trustDomain,
    folder,
    foreignFolder,
    pemFile,
    names,
    addOwnRoot: async () => {
      const next = await createTestCa({ trustDomain });
      writeFileSync(pemFile, pemFromCertificates([ca.root, next.root]));
    },
    held: async () => {
      const map = parseBundleMap(readFileSync(join(foreignFolder, 'bundles.json')));
      return Object.fromEntries(
        [...map]
          .map(([name, { bundle }]): [string, string[]] => [
            name,
            bundle.x509Authorities.map(({ keyFingerprint }) => keyFingerprint),
          ])
          .filter(([, keys]) => keys.length > 0),
      );
    },
    state: async () =>
      names()
        .map((name) => `${name}\n${readFileSync(join(foreignFolder, name), 'utf8')}`)
        .join('\n'),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      folder[Symbol.dispose]();
    },
  };
}

meshAdapterContract('createFilesAdapter()', () => openFiles());

describe('createFilesAdapter()', () => {
  const { signal } = new AbortController();

  it('writes a PEM and a bundle for each trust domain and one map, and keeps files that are not its own', async () => {
    await using files = await openFiles();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await files.adapter.applyForeignTrust([west.bundle(7n)], signal);
    expect(files.names()).toEqual([
      '.federate-files.json',
      'bundles.json',
      'west.example.json',
      'west.example.pem',
    ]);
    expect(readFileSync(join(files.foreignFolder, 'west.example.pem'), 'utf8')).toBe(
      pemFromCertificates([west.root]),
    );
    expect(readFileSync(join(files.foreignFolder, 'west.example.json'))).toEqual(
      Buffer.from(serializeBundle(west.bundle(7n))),
    );
    writeFileSync(join(files.foreignFolder, 'north.example.pem'), 'mine');
    const north = await createTestCa({ trustDomain: 'north.example' });
    const [refused] = await files.adapter.applyForeignTrust([north.bundle()], signal);
    expect(refused).toMatchObject({ state: 'refused', code: 'trust-domain-taken' });
    expect(files.names()).toEqual(['.federate-files.json', 'bundles.json', 'north.example.pem']);
    expect(readFileSync(join(files.foreignFolder, 'north.example.pem'), 'utf8')).toBe('mine');
  });

  it('touches nothing in a folder with a bundles.json, or a list of files, that it did not write', async () => {
    await using files = await openFiles();
    await files.adapter.applyForeignTrust([], signal);
    writeFileSync(join(files.foreignFolder, '.federate-files.json'), '{"files":["../../etc/passwd"]}');
    await expect(files.adapter.applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'file-not-ours',
    });
    writeFileSync(join(files.foreignFolder, '.federate-files.json'), '{"files":[]}');
    await expect(files.adapter.applyForeignTrust([], signal)).rejects.toThrow(MeshAdapterError);
  });

  it('keeps the roots it told when a file turns bad, and says so', async () => {
    await using files = await openFiles();
    const ended = new AbortController();
    let count = 0;
    let roots = 0;
    for await (const own of files.adapter.watchOwnTrust(ended.signal)) {
      count += 1;
      if (count === 2) {
        roots = own.roots.length;
        ended.abort();
        continue;
      }
      writeFileSync(files.pemFile, '-----BEGIN CERTIFICATE-----\nno\n');
      while (files.adapter.status().code !== 'own-roots-malformed') await new Promise((r) => setImmediate(r));
      await files.addOwnRoot();
    }
    expect([count, roots]).toEqual([2, 2]);
  });

  it('tells that the folder cannot be written, also while the own roots can be read, and heals', async () => {
    await using files = await openFiles();
    const west = await createTestCa({ trustDomain: 'west.example' });
    writeFileSync(files.foreignFolder, 'in the way');
    await expect(files.adapter.applyForeignTrust([west.bundle()], signal)).rejects.toMatchObject({
      code: 'file-unwritable',
    });
    const ended = new AbortController();
    for await (const _own of files.adapter.watchOwnTrust(ended.signal)) ended.abort();
    expect(files.adapter.status()).toMatchObject({ connected: false, code: 'file-unwritable' });
    rmSync(files.foreignFolder);
    await files.adapter.applyForeignTrust([west.bundle()], signal);
    expect(files.adapter.status()).toMatchObject({ connected: true });
  });

  it('reads the own roots from a bundle document', async () => {
    await using files = await openFiles();
    const own = await createTestCa({ trustDomain });
    const bundleFile = files.folder.file('own.json');
    writeFileSync(bundleFile, serializeBundle(bundleOf(trustDomain, [own.authority])));
    const adapter = createFilesAdapter({
      trustDomain,
      own: { bundleFile },
      foreignFolder: files.foreignFolder,
      pollMs: 5,
      clock: systemClock,
      log: silentLog,
    });
    const ended = new AbortController();
    for await (const told of adapter.watchOwnTrust(ended.signal)) {
      expect(told.roots.map(({ fingerprint }) => fingerprint)).toEqual([own.authority.fingerprint]);
      ended.abort();
    }
  });
});
