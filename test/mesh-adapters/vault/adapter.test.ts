import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createVaultAdapter,
  type MeshAdapter,
  type VaultAdapterOptions,
} from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import {
  bundleOf,
  parsePin,
  parseTrustDomain,
  pemFromCertificates,
  pinOfKey,
  type X509Authority,
} from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { answerHalf } from '../kubernetes/fake-api-server.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { folderState, keysInFolder } from '../files/folder-state.ts';
import { FakeVault, refuse } from './fake-vault.ts';

const trustDomain = parseTrustDomain('vault.example');
const { signal } = new AbortController();
const pemOf = ({ root }: TestCa) => pemFromCertificates([root]);

async function openVault(more: Partial<VaultAdapterOptions> = {}, token?: string) {
  const vault = new FakeVault();
  await vault.start();
  const folder = tempDir();
  const own = await createTestCa({ trustDomain });
  vault.put('one', pemOf(own));
  const foreignFolder = folder.file('foreign');
  if (token !== undefined) writeFileSync(folder.file('token'), token);
  const tokenFile = token === undefined ? {} : { tokenFile: folder.file('token') };
  const adapter = createVaultAdapter({
    access: { address: vault.url, mount: 'pki', ...tokenFile },
    trustDomain,
    pins: [],
    pollMs: 5,
    foreignFolder,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...more,
  });
  return {
    adapter,
    vault,
    folder,
    own,
    trustDomain,
    addOwnRoot: async () => vault.put('two', pemOf(await createTestCa({ trustDomain }))),
    held: async () => keysInFolder(foreignFolder),
    state: async () => folderState(foreignFolder),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await vault.stop();
      folder[Symbol.dispose]();
    },
  };
}

meshAdapterContract('createVaultAdapter()', () => openVault());

/** The key fingerprints of the first reported own trust. */
async function firstRoots(adapter: MeshAdapter): Promise<string[]> {
  const ended = new AbortController();
  let keys: string[] = [];
  for await (const { roots } of adapter.watchOwnTrust(ended.signal)) {
    keys = roots.map(({ keyFingerprint }) => keyFingerprint);
    ended.abort();
  }
  return keys;
}

describe('createVaultAdapter()', () => {
  it('takes the roots that signed themselves from issuers and the chains above them, and no intermediate', async () => {
    await using mesh = await openVault();
    const elsewhere = await createTestCa({ trustDomain });
    const below = await elsewhere.issueIntermediate();
    mesh.vault.put('below', pemFromCertificates([below.root]), [pemOf(elsewhere)]);
    expect(await firstRoots(mesh.adapter)).toEqual([
      mesh.own.authority.keyFingerprint,
      elsewhere.authority.keyFingerprint,
    ]);
  });

  it('takes exactly the pinned ones, by key or by certificate, intermediates too', async () => {
    const elsewhere = await createTestCa({ trustDomain });
    const below = await elsewhere.issueIntermediate();
    const pins = [
      pinOfKey(below.authority.keyFingerprint),
      parsePin(`sha256:${elsewhere.authority.fingerprint}`),
    ];
    await using mesh = await openVault({ pins });
    mesh.vault.put('below', pemFromCertificates([below.root]), [pemOf(elsewhere)]);
    expect(await firstRoots(mesh.adapter)).toEqual([
      below.authority.keyFingerprint,
      elsewhere.authority.keyFingerprint,
    ]);
    mesh.vault.issuers.delete('below');
    await expect(mesh.adapter.applyForeignTrust([], signal)).resolves.toEqual([]);
    const strict = await openVault({ pins });
    await expect(strict.adapter.applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'own-roots-malformed',
      message: expect.stringContaining(pins[0] ?? ''),
    });
    await strict[Symbol.asyncDispose]();
  });

  it('leaves out a revoked issuer where it has a token, and names its namespace', async () => {
    await using mesh = await openVault({}, 'good\n');
    const next = await createTestCa({ trustDomain });
    mesh.vault.put('two', pemOf(next));
    mesh.vault.revoke('one');
    expect(await firstRoots(mesh.adapter)).toEqual([next.authority.keyFingerprint]);
    expect(mesh.vault.requests.every(({ token, path }) => token === 'good' && !path.endsWith('/json'))).toBe(
      true,
    );
    const access = { address: mesh.vault.url, mount: 'pki', namespace: 'team-a' };
    await using named = await openVault({ access });
    await firstRoots(named.adapter);
    expect(mesh.vault.requests.at(-1)?.namespace).toBe('team-a');
  });

  it('reports when no certificate of the mount is self-signed', async () => {
    await using mesh = await openVault();
    const below = await (await createTestCa({ trustDomain })).issueIntermediate();
    mesh.vault.issuers.clear();
    mesh.vault.put('below', pemFromCertificates([below.root]));
    await expect(mesh.adapter.applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'own-roots-malformed',
      message: expect.stringContaining('pin'),
    });
  });

  it('revokes foreign trust also while the vault is away, judged by the own roots it read last', async () => {
    await using mesh = await openVault();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    await mesh.vault.stop();
    const thief = bundleOf(parseTrustDomain('thief.example'), [mesh.own.authority]);
    const [revoked, refused] = await mesh.adapter.applyForeignTrust(
      [bundleOf(west.trustDomain, []), thief],
      signal,
    );
    expect(revoked).toMatchObject({ state: 'written' });
    expect(refused).toMatchObject({ state: 'refused', code: 'root-is-own' });
    expect(await mesh.held()).toEqual({});
  });
});

describe('readOwnTrust() of Vault', () => {
  let clock: TestClock;
  let mesh: Awaited<ReturnType<typeof openVault>>;
  let reported: string[][];
  let ended: AbortController;
  let following: Promise<void>;
  const status = () => mesh.adapter.status();

  beforeEach(async () => {
    clock = new TestClock(TEST_INSTANT);
    mesh = await openVault({ clock, pollMs: 30_000 }, 'good');
    reported = [];
    ended = new AbortController();
    following = (async () => {
      for await (const { roots, isConfirmed = true } of mesh.adapter.watchOwnTrust(ended.signal))
        if (!(isConfirmed && isSame(reported.at(-1), roots)))
          reported.push(roots.map(({ keyFingerprint }) => keyFingerprint));
    })();
    await until(() => reported.length === 1, 'the first roots');
  });
  afterEach(async () => {
    ended.abort();
    await following;
    await mesh[Symbol.asyncDispose]();
  });

  it.each([
    [403, 'mesh-forbidden'],
    [404, 'mesh-not-found'],
    [409, 'mesh-conflict'],
    [410, 'mesh-expired'],
    [500, 'mesh-unavailable'],
    // Sealed, and a standby that does not forward.
    [503, 'mesh-unavailable'],
    [307, 'mesh-refused'],
  ])('reports status %i as %s with the vault’s message, keeps its last report, and recovers', async (code, name) => {
    mesh.vault.answer = (_request, response) => {
      refuse(response, code, ['no such luck']);
      return true;
    };
    await untilHealed(clock, () => status().code === name, `the code ${name}`);
    expect(status().message).toContain('no such luck');
    mesh.vault.answer = () => false;
    await untilHealed(clock, () => status().connected, 'the recovery');
    expect(reported).toHaveLength(1);
  });

  it.each([
    ['half a message', answerHalf, 'mesh-unreachable'],
    ['no JSON', (response: ServerResponse) => void response.end('<html>'), 'mesh-answer-malformed'],
    ['no issuers', (response: ServerResponse) => void response.end('{"data":{}}'), 'mesh-answer-malformed'],
    [
      'issuers that are numbers',
      (response: ServerResponse) => void response.end('{"data":{"keys":[7]}}'),
      'mesh-answer-malformed',
    ],
    [
      'an issuer without a certificate',
      (response: ServerResponse) => void response.end('{"data":{"keys":["one"],"ca_chain":7}}'),
      'mesh-answer-malformed',
    ],
    [
      'a certificate that is none',
      (response: ServerResponse) =>
        void response.end('{"data":{"keys":["one"],"certificate":"-----BEGIN CERTIFICATE-----\\nMIIB"}}'),
      'own-roots-malformed',
    ],
    [
      'an empty certificate',
      (response: ServerResponse) => void response.end('{"data":{"keys":["one"],"certificate":""}}'),
      'own-roots-malformed',
    ],
  ])('keeps the roots it had when the answer is %s', async (_what, answer, code) => {
    mesh.vault.answer = (_request, response) => {
      answer(response);
      return true;
    };
    await untilHealed(clock, () => status().code === code, `the code ${code}`);
    expect(reported).toHaveLength(1);
  });

  it('reports a refusal over several lines completely, and the cause behind an unreachable vault', async () => {
    mesh.vault.answer = (_request, response) => {
      refuse(response, 403, ['1 error occurred:\n\t* permission denied\n\n']);
      return true;
    };
    await untilHealed(clock, () => status().code === 'mesh-forbidden', 'the refusal');
    expect(status().message).toContain('"1 error occurred: * permission denied"');
    await mesh.vault.stop();
    await untilHealed(clock, () => status().code === 'mesh-unreachable', 'the loss');
    expect(status().message).toMatch(/got an incomplete answer: .*ECONNREFUSED/);
  });

  it('gives up on a slow vault, and learns of the next root', async () => {
    mesh.vault.answer = () => true;
    await untilHealed(clock, () => status().code === 'mesh-unreachable', 'the end of patience');
    mesh.vault.answer = () => false;
    await mesh.addOwnRoot();
    await untilHealed(clock, () => reported.length === 2, 'the next root');
    expect(status().connected).toBe(true);
  });

  it('keeps its roots when a restored backup lost the issuers, and when the token expired', async () => {
    const [one] = [...mesh.vault.issuers.values()];
    mesh.vault.issuers.clear();
    await untilHealed(clock, () => status().code === 'mesh-not-found', 'the loss');
    mesh.vault.put('one', one?.pem ?? '');
    await untilHealed(clock, () => status().connected, 'the return');
    writeFileSync(mesh.folder.file('token'), 'expired');
    await untilHealed(clock, () => status().code === 'mesh-forbidden', 'the refusal');
    writeFileSync(mesh.folder.file('token'), 'good');
    await untilHealed(clock, () => status().connected, 'the recovery');
    expect(reported).toHaveLength(1);
  });
});

/** Whether a report repeats the last one, as a confirming second look does. */
function isSame(before: readonly string[] | undefined, roots: readonly X509Authority[]): boolean {
  return before?.join() === roots.map(({ keyFingerprint }) => keyFingerprint).join();
}
