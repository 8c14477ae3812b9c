import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadOwnTrust } from '../../../src/mesh-adapters/files/read-own-trust.ts';
import { createFilesAdapter, MeshAdapterError } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock } from '../../../src/platform/index.ts';
import {
  bundleOf,
  certificatesFromPem,
  type KeyKind,
  parseBundleMap,
  parseCertificate,
  parseTrustDomain,
  pemFromCertificates,
  serializeBundle,
} from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { rebuild } from '../../spiffe/chain-maker.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { createTokenKey } from '../../../testkit/test-tokens.ts';
import { folderState, keysInFolder, NOBODY } from './folder-state.ts';

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
    held: async () => keysInFolder(foreignFolder),
    state: async () => folderState(foreignFolder),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      folder[Symbol.dispose]();
    },
  };
}

meshAdapterContract('createFilesAdapter()', () => openFiles());

describe('createFilesAdapter()', () => {
  const { signal } = new AbortController();

  it('writes a PEM and a bundle for each trust domain and one map of exactly these, and keeps files of others (FED-55, MAP-05)', async () => {
    await using files = await openFiles();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await files.adapter.applyForeignTrust([west.bundle(7n)], signal);
    expect(files.names()).toEqual([
      '.federate-files.json',
      'bundles.json',
      'grpc-bundles.json',
      'west.example.json',
      'west.example.pem',
    ]);
    expect(readFileSync(join(files.foreignFolder, 'west.example.pem'), 'utf8')).toBe(
      pemFromCertificates([west.root]),
    );
    expect(readFileSync(join(files.foreignFolder, 'west.example.json'))).toEqual(
      Buffer.from(serializeBundle(west.bundle(7n))),
    );
    const mapped = () => Object.keys(keysInFolder(files.foreignFolder));
    expect(mapped()).toEqual(['west.example']);
    writeFileSync(join(files.foreignFolder, 'north.example.pem'), 'mine');
    const north = await createTestCa({ trustDomain: 'north.example' });
    const [refused] = await files.adapter.applyForeignTrust([north.bundle()], signal);
    expect(refused).toMatchObject({ state: 'refused', code: 'trust-domain-taken', endedRootsStand: false });
    expect(files.names()).toEqual([
      '.federate-files.json',
      'bundles.json',
      'grpc-bundles.json',
      'north.example.pem',
      'west.example.pem',
    ]);
    expect(mapped()).toEqual([]);
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

  it("writes a map for gRPC with our roots too, without anything that makes gRPC's C core or Java refuse all of it (MAP-01, MAP-05)", async () => {
    await using files = await openFiles();
    const peer = (name: string, keyKind: KeyKind) => createTestCa({ trustDomain: name, keyKind });
    const [west, north, south] = await Promise.all([
      peer('west.example', 'RSA-2048'),
      peer('north.example', 'P-521'),
      peer('south.example', 'Ed25519'),
    ]);
    const westAndToken = bundleOf(west.trustDomain, [west.authority, south.authority], {
      jwtAuthorities: [createTokenKey().authority],
      sequence: 7n,
    });
    await files.adapter.applyForeignTrust([westAndToken, north.bundle(2n)], signal);
    const read = () => readFileSync(join(files.foreignFolder, 'grpc-bundles.json'), 'utf8');
    type Keys = { keys: { kty: string; use: string; kid?: string; x5c: string[] }[] };
    const { trust_domains: map } = JSON.parse(read()) as { trust_domains: Record<string, Keys> };
    expect(Object.keys(map)).toEqual(['east.example', 'north.example', 'west.example']);
    const entries = Object.values(map).flatMap(({ keys }) => keys);
    expect(entries.map(({ kty }) => kty)).toEqual(['EC', 'EC', 'RSA']);
    expect(
      entries.every(({ use, kid, x5c }) => use === 'x509-svid' && kid === undefined && x5c.length === 1),
    ).toBe(true);
    expect(read()).not.toContain('spiffe_');
    // A peer whose only root gRPC cannot read is unknown to it; a root of ours follows with the
    // next write.
    await files.addOwnRoot();
    await files.adapter.applyForeignTrust([south.bundle()], signal);
    const after = parseBundleMap(Buffer.from(read()));
    expect([...after].map(([name, { bundle }]) => [name, bundle.x509Authorities.length])).toEqual([
      ['east.example', 2],
    ]);
  });

  it.each([
    'bundles',
    'grpc-bundles',
  ])('refuses a trust domain with the name %s, whose file would be a map', async (name) => {
    await using files = await openFiles();
    const foreign = await createTestCa({ trustDomain: name });
    const west = await createTestCa({ trustDomain: 'west.example' });
    const reports = await files.adapter.applyForeignTrust([foreign.bundle(), west.bundle()], signal);
    expect(reports).toMatchObject([
      { state: 'refused', code: 'trust-domain-taken' },
      { trustDomain: 'west.example', state: 'written' },
    ]);
  });

  it('keeps the roots it reported when a file turns bad, and reports that', async () => {
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

  it('reports that the folder cannot be written, also while the own roots can be read, and recovers', async () => {
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
    for await (const reported of adapter.watchOwnTrust(ended.signal)) {
      expect(reported.roots.map(({ fingerprint }) => fingerprint)).toEqual([own.authority.fingerprint]);
      ended.abort();
    }
  });

  it('reads the own JWT keys from a bundle document, and reports when they alone change', async () => {
    await using files = await openFiles();
    const own = await createTestCa({ trustDomain });
    const [one, two] = [createTokenKey('P-256', 'k1').authority, createTokenKey('rsa-2048', 'k2').authority];
    const bundleFile = files.folder.file('own.json');
    const write = (...jwtAuthorities: readonly (typeof one)[]) =>
      writeFileSync(bundleFile, serializeBundle(bundleOf(trustDomain, [own.authority], { jwtAuthorities })));
    write(one);
    const adapter = createFilesAdapter({
      trustDomain,
      own: { bundleFile },
      foreignFolder: files.foreignFolder,
      pollMs: 5,
      clock: systemClock,
      log: silentLog,
    });
    const ended = new AbortController();
    const reported: unknown[] = [];
    for await (const { roots, jwtAuthorities } of adapter.watchOwnTrust(ended.signal)) {
      reported.push([roots.length, jwtAuthorities]);
      if (reported.length === 1) write(one, two);
      else ended.abort();
    }
    expect(reported).toEqual([
      [1, [one]],
      [1, [one, two]],
    ]);
  });

  it('writes the JWT keys of foreign bundles, also of those without roots', async () => {
    await using files = await openFiles();
    const jwtAuthorities = [createTokenKey().authority];
    const west = bundleOf(parseTrustDomain('west.example'), [], { jwtAuthorities, sequence: 1n });
    await files.adapter.applyForeignTrust([west], signal);
    expect(readFileSync(join(files.foreignFolder, 'west.example.json'))).toEqual(
      Buffer.from(serializeBundle(west)),
    );
    const map = parseBundleMap(readFileSync(join(files.foreignFolder, 'bundles.json')));
    expect(map.get(west.trustDomain)?.bundle.jwtAuthorities).toEqual(jwtAuthorities);
  });
});

describe('the PEM file of a peer whose trust ended', () => {
  async function openAt(clock: TestClock) {
    const folder = tempDir();
    const ca = await createTestCa({ trustDomain });
    writeFileSync(folder.file('own.pem'), pemFromCertificates([ca.root]));
    const foreignFolder = folder.file('foreign');
    const adapter = createFilesAdapter({
      trustDomain,
      own: { pemFiles: [folder.file('own.pem')] },
      foreignFolder,
      pollMs: 5,
      clock,
      log: silentLog,
    });
    const path = join(foreignFolder, 'west.example.pem');
    return {
      folder,
      path,
      foreignFolder,
      ownPem: folder.file('own.pem'),
      apply: (...bundles: Parameters<typeof adapter.applyForeignTrust>[0]) =>
        adapter.applyForeignTrust(bundles, signal),
      /** The subjects in the PEM file. */
      subjects: () =>
        certificatesFromPem(readFileSync(path, 'utf8')).map((der) => parseCertificate(der).subject),
      /** The subjects in the map of all bundles, by trust domain. */
      mapped: () => {
        const map = parseBundleMap(readFileSync(join(foreignFolder, 'bundles.json')));
        return Object.fromEntries(
          [...map].map(([name, { bundle }]) => [name, bundle.x509Authorities.map(({ subject }) => subject)]),
        );
      },
      [Symbol.dispose]: () => folder[Symbol.dispose](),
    };
  }
  const { signal } = new AbortController();

  it('holds a root whose private key does not exist once the peer revokes all, the same one each time, and the roots when they are back', async () => {
    using files = await openAt(new TestClock(TEST_INSTANT));
    const west = await createTestCa({ trustDomain: 'west.example' });
    await files.apply(west.bundle(1n));
    await files.apply(bundleOf(west.trustDomain, [], { sequence: 2n }));
    expect(files.subjects()).toEqual([NOBODY]);
    expect(files.mapped()).toEqual({ 'west.example': [NOBODY] });
    const before = folderState(files.foreignFolder) + readFileSync(files.path, 'utf8');
    await files.apply(bundleOf(west.trustDomain, [], { sequence: 2n }));
    expect(folderState(files.foreignFolder) + readFileSync(files.path, 'utf8')).toBe(before);
    await files.apply(west.bundle(3n));
    expect(files.subjects()).toEqual(['O=west.example,CN=Root']);
  });

  it('holds it for a week after a removal, and the report names what a reader must do', async () => {
    const clock = new TestClock(TEST_INSTANT);
    using files = await openAt(clock);
    const west = await createTestCa({ trustDomain: 'west.example' });
    await files.apply(west.bundle());
    expect(await files.apply()).toMatchObject([
      {
        trustDomain: 'west.example',
        state: 'removed',
        code: 'files-held-by-nobody',
        message: expect.stringMatching(/west\.example\.pem.*until 2030-01-08T12:00:00.000Z.*restart/),
      },
    ]);
    expect(files.subjects()).toEqual([NOBODY]);
    expect(existsSync(join(files.foreignFolder, 'west.example.json'))).toBe(false);
    expect(files.mapped()).toEqual({ 'west.example': [NOBODY] });
    await clock.advance(7 * 86_400_000 - 1);
    expect(await files.apply()).toEqual([]);
    expect(files.subjects()).toEqual([NOBODY]);
    await clock.advance(1);
    await files.apply();
    expect(existsSync(files.path)).toBe(false);
    expect(files.mapped()).toEqual({});
  });

  it('restores the roots of a peer that returns within the week', async () => {
    using files = await openAt(new TestClock(TEST_INSTANT));
    const west = await createTestCa({ trustDomain: 'west.example' });
    await files.apply(west.bundle());
    await files.apply();
    expect(await files.apply(west.bundle())).toMatchObject([{ state: 'written' }]);
    expect(files.subjects()).toEqual(['O=west.example,CN=Root']);
  });

  it('is not reported as gone where it cannot be written, and the other peers are', async () => {
    using files = await openAt(new TestClock(TEST_INSTANT));
    const [west, north] = [
      await createTestCa({ trustDomain: 'west.example' }),
      await createTestCa({ trustDomain: 'north.example' }),
    ];
    await files.apply(west.bundle(), north.bundle());
    rmSync(files.path);
    mkdirSync(files.path);
    writeFileSync(join(files.path, 'theirs'), 'x');
    expect(await files.apply()).toMatchObject([
      { trustDomain: 'north.example', state: 'removed' },
      { trustDomain: 'west.example', state: 'failed', code: 'file-unwritable' },
    ]);
    expect(await files.apply(north.bundle(), west.bundle())).toMatchObject([
      { trustDomain: 'north.example', state: 'written' },
      { trustDomain: 'west.example', state: 'failed' },
    ]);
  });

  it('is written although our own files cannot be read just then', async () => {
    using files = await openAt(new TestClock(TEST_INSTANT));
    const west = await createTestCa({ trustDomain: 'west.example' });
    await files.apply(west.bundle());
    writeFileSync(files.ownPem, '-----BEGIN CERTIFICATE-----\nhalf');
    expect(await files.apply()).toMatchObject([{ state: 'removed' }]);
    expect(files.subjects()).toEqual([NOBODY]);
  });

  it('refuses a peer with a name that no file can have, and writes the others', async () => {
    using files = await openAt(new TestClock(TEST_INSTANT));
    const name = Array.from({ length: 60 }, () => 'abc')
      .join('.')
      .concat('.example');
    const [long, west] = [
      await createTestCa({ trustDomain: name }),
      await createTestCa({ trustDomain: 'west.example' }),
    ];
    expect(await files.apply(long.bundle(), west.bundle())).toMatchObject([
      { state: 'refused', code: 'trust-domain-too-long' },
      { state: 'written' },
    ]);
    expect(files.subjects()).toEqual(['O=west.example,CN=Root']);
  });
});

describe('watchOwnTrust() with a file that names what signs', () => {
  it('reports the fingerprint of the root in it, and again when it changes', async () => {
    using folder = tempDir();
    const [first, second] = await Promise.all([createTestCa({ trustDomain }), createTestCa({ trustDomain })]);
    const [pemFile, signingPemFile] = [folder.file('own.pem'), folder.file('signing.pem')];
    writeFileSync(pemFile, pemFromCertificates([first.root, second.root]));
    writeFileSync(signingPemFile, pemFromCertificates([first.root]));
    const adapter = createFilesAdapter({
      trustDomain,
      own: { pemFiles: [pemFile] },
      signingPemFile,
      foreignFolder: folder.file('foreign'),
      pollMs: 5,
      clock: systemClock,
      log: silentLog,
    });
    const stopping = new AbortController();
    const reported: (readonly string[] | undefined)[] = [];
    for await (const { signing } of adapter.watchOwnTrust(stopping.signal)) {
      reported.push(signing);
      if (reported.length === 1) writeFileSync(signingPemFile, pemFromCertificates([second.root]));
      else stopping.abort();
    }
    expect(reported).toEqual([[first.authority.fingerprint], [second.authority.fingerprint]]);
    await adapter.stop();
  });
});

describe('loadOwnTrust()', () => {
  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['a JWT key without kid', { kid: undefined }],
    ['a JWT key that is none', { x: 'AAAA' }],
    ['a JWT key of an unknown kind', { kty: 'AKP' }],
    ['a private JWT key', { d: 'c2VjcmV0LXZhbHVl' }],
    ['a root without certificate', { use: 'x509-svid' }],
    ['a root that is not a certificate', { use: 'x509-svid', x5c: ['AAAA'] }],
    ['a misspelt use', { use: 'jwt-svd' }],
    ['no use', { use: undefined }],
    ['a key of a use that we do not carry', { use: 'wit-svid' }],
  ])('takes an own bundle as a whole or not at all: %s', async (_what, change) => {
    using folder = tempDir();
    const own = await createTestCa({ trustDomain });
    const bundle = bundleOf(trustDomain, [own.authority], { jwtAuthorities: [createTokenKey().authority] });
    const bundleFile = folder.file('own.json');
    const { keys } = JSON.parse(Buffer.from(serializeBundle(bundle)).toString()) as { keys: object[] };
    const load = (...more: object[]) => {
      writeFileSync(bundleFile, JSON.stringify({ keys: [...keys, ...more] }));
      return loadOwnTrust(trustDomain, { bundleFile });
    };
    // A duplicate entry loses nothing.
    const whole = await load(keys[1] ?? {});
    expect([whole.roots.length, whole.jwtAuthorities?.length]).toEqual([1, 1]);
    const refusal = await load({ ...keys[1], kid: 'k2', ...change }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'own-roots-malformed' });
    expect(String(refusal)).toContain('entry 3');
    expect(String(refusal)).not.toContain('c2VjcmV0LXZhbHVl');
  });

  it('names the file and the number of a root that cannot be read, and says what is wrong with it', async () => {
    using folder = tempDir();
    const own = await createTestCa({ trustDomain });
    const { root, key } = await createTestCa({ trustDomain });
    const leaf = await own.issueLeaf({ path: '/workload' });
    const version1 = rebuild(root, key, (parts) => parts.slice(1));
    const pemFiles = [folder.file('a.pem'), folder.file('b.pem')];
    const load = async (...pems: string[]) => {
      pems.forEach((pem, index) => writeFileSync(pemFiles[index] ?? '', pem));
      const refusal = await loadOwnTrust(trustDomain, { pemFiles }).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'own-roots-malformed' });
      if (!(refusal instanceof Error && refusal.cause instanceof Error)) throw new Error('expected a cause');
      return `${refusal.message}: ${refusal.cause.message}`;
    };
    const good = pemFromCertificates([own.root]);
    const old = await load(good, pemFromCertificates([root, version1]));
    expect(old).toContain(`certificate 2 of the own roots in ${pemFiles[1]} could not be read`);
    expect(old).toContain('an X.509 certificate of version 1');
    expect(old).not.toContain('a.pem');
    expect(await load(leaf.certPem, good)).toContain(`certificate 1 of the own roots in ${pemFiles[0]}`);
    expect(await load(good, `${good}x`.replace('-----END', '----END'))).toContain(
      `the own roots in ${pemFiles[1]} could not be read`,
    );
  });
});
