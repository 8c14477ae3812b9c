import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { createVaultAdapter, type MeshAdapter } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { parseBundleMap, parseTrustDomain, pinOfKey } from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

/** The path of a `vault` or `bao` binary; without one the real product is not there and nothing here runs. */
const BINARY = process.env['FEDERATE_VAULT'];
const TOKEN = 'interop-root';
const { signal } = new AbortController();

describe.skipIf(BINARY === undefined)('the Vault adapter beside the real product', () => {
  let server: ChildProcess;
  let address: string;
  let folder: ReturnType<typeof tempDir>;

  const call = async (method: string, path: string, body: object = {}) => {
    const headers = { 'x-vault-token': TOKEN, 'content-type': 'application/json' };
    const answer = await fetch(`${address}/v1/${path}`, { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as { data: Record<string, string> });
  };
  const adapterOf = (more: object = {}, access: object = {}) =>
    createVaultAdapter({
      access: { address, mount: 'team/pki', ...access },
      trustDomain: parseTrustDomain('vault.example'),
      pins: [],
      pollMs: 100,
      foreignFolder: folder.file('foreign'),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      ...more,
    });
  const firstRoots = async (adapter: MeshAdapter) => {
    const ended = new AbortController();
    for await (const { roots } of adapter.watchOwnTrust(ended.signal)) return roots;
    return [];
  };

  beforeAll(async () => {
    folder = tempDir();
    const [port = 0] = await freePorts(1);
    const listen = `127.0.0.1:${port}`;
    address = `http://${listen}`;
    const words = ['server', '-dev', `-dev-root-token-id=${TOKEN}`, `-dev-listen-address=${listen}`];
    server = spawn(BINARY ?? '', words, { stdio: 'ignore', env: { HOME: folder.path } });
    for (let tries = 0; tries < 100; tries += 1) {
      const up = await fetch(`${address}/v1/sys/health`).catch(() => ({ ok: false }));
      if (up.ok) break;
      await new Promise((wait) => setTimeout(wait, 100));
    }
    await call('POST', 'sys/mounts/team/pki', { type: 'pki', config: { max_lease_ttl: '8760h' } });
    await call('POST', 'team/pki/root/generate/internal', { common_name: 'root 1', ttl: '8000h' });
  });
  afterAll(async () => {
    server.kill();
    await once(server, 'exit');
    folder[Symbol.dispose]();
  });

  it('follows a root rotation, leaves out the intermediate, and keeps its roots while the server is away', async () => {
    const adapter = adapterOf();
    const subjects: string[][] = [];
    const ended = new AbortController();
    for await (const { roots } of adapter.watchOwnTrust(ended.signal)) {
      subjects.push(roots.map(({ subject }) => subject));
      if (subjects.length > 1) break;
      const csr = await call('POST', 'team/pki/issuers/generate/intermediate/internal', {
        common_name: 'below',
      });
      const signed = await call('POST', 'team/pki/root/sign-intermediate', {
        csr: (csr as { data: { csr: string } }).data.csr,
        common_name: 'below',
      });
      const { certificate } = (signed as { data: { certificate: string } }).data;
      await call('POST', 'team/pki/issuers/import/cert', { pem_bundle: certificate });
      await call('POST', 'team/pki/root/rotate/internal', { common_name: 'root 2', ttl: '8000h' });
    }
    expect(subjects[0]).toEqual(['CN=root 1']);
    expect(subjects[1]?.toSorted()).toEqual(['CN=root 1', 'CN=root 2']);
  });

  it('hears with a token that an issuer was revoked, and takes what is pinned', async () => {
    const made = await call('POST', 'team/pki/root/rotate/internal', { common_name: 'gone', ttl: '8000h' });
    const { issuer_id: id } = (made as { data: { issuer_id: string } }).data;
    await call('POST', `team/pki/issuer/${id}/revoke`);
    writeFileSync(folder.file('token'), `${TOKEN}\n`);
    const seen = await firstRoots(adapterOf());
    expect(seen.map(({ subject }) => subject)).toContain('CN=gone');
    const kept = await firstRoots(adapterOf({}, { tokenFile: folder.file('token') }));
    expect(kept.map(({ subject }) => subject)).not.toContain('CN=gone');
    const one = kept.find(({ subject }) => subject === 'CN=root 1');
    const pins = [pinOfKey(one?.keyFingerprint ?? '')];
    expect(await firstRoots(adapterOf({ pins }))).toEqual([one]);
  });

  it('tells a mount that is not there, and one without issuers', async () => {
    await expect(adapterOf({}, { mount: 'nowhere' }).applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'mesh-forbidden',
    });
    await call('POST', 'sys/mounts/empty', { type: 'pki' });
    await expect(adapterOf({}, { mount: 'empty' }).applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'mesh-not-found',
    });
  });

  it('writes foreign trust to files and refuses a peer that brings a root of the mount', async () => {
    const adapter = adapterOf();
    const west = await createTestCa({
      trustDomain: 'west.example',
      notBefore: new Date(Date.now() - 1000),
      notAfter: new Date(Date.now() + 3_600_000),
    });
    const roots = await firstRoots(adapter);
    const thief = {
      ...west.bundle(),
      trustDomain: parseTrustDomain('thief.example'),
      x509Authorities: roots,
    };
    const reports = await adapter.applyForeignTrust([west.bundle(), thief], signal);
    expect(reports.map(({ state }) => state)).toEqual(['written', 'refused']);
    expect([...parseBundleMap(readFileSync(join(folder.file('foreign'), 'bundles.json'))).keys()]).toEqual([
      'west.example',
    ]);
  });
});
