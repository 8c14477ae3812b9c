import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AddRequest, signBundle } from '../../../src/federation/index.ts';
import {
  bundleOf,
  parsePin,
  parseSpiffeId,
  pinOfBundle,
  pinOfKey,
  type StatementSigner,
  type TrustBundle,
} from '../../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../../testkit/fake-peer.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import { AgentWorld, peerName } from '../agent-world.ts';
import { createAuthority } from '../authority.ts';

const HOUR_MS = 3_600_000;
const agentId = parseSpiffeId('spiffe://peer.example/agent');
let ca: TestCa;
let next: TestCa;
let signer: StatementSigner;
let workload: StatementSigner;
/** Whoever carries the bundle: its certificate is nobody's we trust. */
let carrier: FakePeer;
let folder: ReturnType<typeof tempDir>;

const signerOf = async (issuer: TestCa, path: string): Promise<StatementSigner> => {
  const leaf = await issuer.issueLeaf({ path });
  return { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
};

beforeAll(async () => {
  ca = await createTestCa({ trustDomain: peerName });
  next = await createTestCa({ trustDomain: peerName, subject: 'CN=Next' });
  [signer, workload] = await Promise.all([signerOf(ca, '/agent'), signerOf(ca, '/workload')]);
});
beforeEach(async () => {
  const stranger = await createAuthority('nobody', TEST_INSTANT);
  carrier = await FakePeer.start(await stranger.svid(agentId));
  folder = tempDir();
});
afterEach(async () => {
  await carrier.close();
  folder[Symbol.dispose]();
});

const bundleWith = (cas: readonly TestCa[], sequence: bigint): TrustBundle =>
  bundleOf(
    peerName,
    cas.map(({ authority }) => authority),
    { sequence, refreshHintSeconds: 300 },
  );

async function signed(
  cas: readonly TestCa[],
  sequence: bigint,
  { by = signer, now = TEST_INSTANT, lifetimeMs = HOUR_MS, bundle = bundleWith(cas, sequence) } = {},
): Promise<string> {
  return (await signBundle({ bundle, signer: by, now, lifetimeMs })).token;
}

const carry = (token: string) => {
  carrier.answer = answers.document(`${token}\n`, { 'content-type': 'application/jose' });
};

const request = (rest: Partial<AddRequest> = {}): AddRequest => ({
  trustDomain: peerName,
  endpointUrl: carrier.url('/peer.jws'),
  profile: { kind: 'signed_bundle', signerId: agentId },
  bootstrap: { kind: 'pin', pin: parsePin(pinOfBundle(bundleWith([ca], 1n))) },
  actor: 'operator:1000',
  ...rest,
});

async function federated(): Promise<AgentWorld> {
  const world = await AgentWorld.start(TEST_INSTANT);
  carry(await signed([ca], 1n));
  await world.federation.relationships.add(request());
  return world;
}

describe('A signed bundle', () => {
  it('is taken from any carrier, first by a pin and then by the roots held, through a rotation', async () => {
    await using world = await federated();
    expect(world.trusted()).toEqual([ca.authority.fingerprint]);
    expect(await world.store.relationship(peerName)).toMatchObject({
      profile: { kind: 'signed_bundle', signerId: agentId },
      bootstrap: { kind: 'signed-bundle' },
      state: 'active',
    });
    const [first] = await world.store.history(peerName);
    expect(first?.provedBy).toContain(ca.authority.fingerprint);

    carry(await signed([ca, next], 2n));
    expect(await world.poll()).toBe('accepted');
    carry(await signed([next], 3n, { by: await signerOf(next, '/agent') }));
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toEqual([next.authority.fingerprint]);
  });

  it('is taken by the pin of one root, whose key then has to have signed it', async () => {
    await using world = await AgentWorld.start(TEST_INSTANT);
    const pin = parsePin(pinOfKey(ca.authority.keyFingerprint));
    carry(await signed([ca, next], 1n, { by: await signerOf(next, '/agent') }));
    await expect(
      world.federation.relationships.add(request({ bootstrap: { kind: 'pin', pin } })),
    ).rejects.toMatchObject({
      code: 'bootstrap-fetch-failed',
    });
    carry(await signed([ca, next], 1n));
    await world.federation.relationships.add(request({ bootstrap: { kind: 'pin', pin } }));
    expect(world.trusted()).toHaveLength(2);
  });

  it('comes from a file as well, with the first bundle from another', async () => {
    await using world = await AgentWorld.start(TEST_INSTANT);
    const path = folder.file('peer.jws');
    writeFileSync(path, await signed([ca], 1n));
    const document = Buffer.from(ca.authority.der).toString('base64');
    const pem = `-----BEGIN CERTIFICATE-----\n${document.match(/.{1,64}/g)?.join('\n')}\n-----END CERTIFICATE-----\n`;
    await world.federation.relationships.add(
      request({
        endpointUrl: pathToFileURL(path).href,
        bootstrap: { kind: 'bundle', document: Buffer.from(pem) },
      }),
    );
    expect(world.state()).toBe('active');
    writeFileSync(path, await signed([ca, next], 2n));
    expect(await world.poll()).toBe('accepted');
    writeFileSync(path, 'x'.repeat(4_000_000));
    expect(await world.poll()).toBe('failed body-too-large');
    folder[Symbol.dispose]();
    expect(await world.poll()).toBe('failed file-unreadable');
    expect(world.trusted()).toHaveLength(2);
  });

  it.each([
    [
      'signed under another root',
      async () => signed([ca], 2n, { by: await signerOf(next, '/agent') }),
      'signed-bundle-refused',
    ],
    [
      'signed by another workload of the same trust domain',
      () => signed([ca], 2n, { by: workload }),
      'signed-bundle-signer',
    ],
    [
      'of another trust domain',
      async () => {
        const other = await createTestCa({ trustDomain: 'other.example' });
        return signed([], 2n, { bundle: bundleOf(other.trustDomain, [other.authority], { sequence: 2n }) });
      },
      'signed-bundle-other-trust-domain',
    ],
    [
      'that is over',
      () =>
        signed([ca], 2n, {
          now: new Date(TEST_INSTANT.getTime() - (2 * HOUR_MS) / 2),
          lifetimeMs: HOUR_MS - 120_000,
        }),
      'signed-bundle-expired',
    ],
    [
      'whose signature was changed',
      async () => `${(await signed([ca], 2n)).slice(0, -8)}AAAAAAAA`,
      'signed-bundle-refused',
    ],
    ['that is a plain bundle', async () => '{"keys":[]}', 'signed-bundle-refused'],
    [
      'that is older than the one held',
      () => signed([ca], 0n, { bundle: bundleWith([ca, next], 0n) }),
      'sequence-rolled-back',
    ],
  ])('is refused when it is one %s, and the last good one stays', async (_, make, code) => {
    await using world = await federated();
    const before = world.trusted();
    carry(await make());
    expect(await world.poll()).toMatch(new RegExp(`(?:failed|refused) ${code}`));
    expect(world.trusted()).toEqual(before);
    const [incident] = await world.store.incidents({ trustDomain: peerName, open: true });
    expect(incident).toMatchObject({ kind: 'bundle-refused', code });
    carry(await signed([ca, next], 2n));
    expect(await world.poll()).toBe('accepted');
  });

  it('is asked for again once it is over, although the carrier says that nothing changed', async () => {
    await using world = await AgentWorld.start(TEST_INSTANT);
    const token = await signed([ca], 1n);
    carrier.answer = answers.document(token, { etag: '"same"' });
    await world.federation.relationships.add(request());
    expect(await world.poll()).toBe('unchanged');
    await world.clock.advance(HOUR_MS + 120_000);
    // The poll that was due long ago may still be in flight.
    await world.poll();
    expect(await world.poll()).toBe('failed signed-bundle-expired');
    expect(carrier.requests.at(-1)?.headers['if-none-match']).toBeUndefined();
    expect(world.trusted()).toHaveLength(1);
  });

  it('ends with the SVID that signed it', async () => {
    const { expiresAt } = await signBundle({
      bundle: bundleWith([ca], 1n),
      signer,
      now: TEST_INSTANT,
      lifetimeMs: 365 * 24 * HOUR_MS,
    });
    expect(expiresAt).toEqual(new Date('2030-01-02T11:00:00Z'));
  });

  it('is carried on as it came, until it is over or the relationship ends', async () => {
    await using world = await AgentWorld.start(TEST_INSTANT);
    const token = await signed([ca], 1n);
    carry(token);
    await world.federation.relationships.add(request());
    await world.poll();
    expect(world.federation.carried.of(peerName, TEST_INSTANT)?.token).toBe(token);
    expect(world.federation.carried.of(peerName, new Date(TEST_INSTANT.getTime() + HOUR_MS))).toBeUndefined();
    await world.federation.relationships.remove(peerName, { actor: 'operator:1', reason: 'test' });
    expect(world.federation.carried.of(peerName, TEST_INSTANT)).toBeUndefined();
  });

  it.each([
    ['Web PKI, which proves nothing here', { bootstrap: { kind: 'web-pki' } }, 'bootstrap-required'],
    [
      'a signer of another trust domain',
      { profile: { kind: 'signed_bundle', signerId: parseSpiffeId('spiffe://x.example/a') } },
      'relationship-invalid',
    ],
    ['a file on another host', { endpointUrl: 'file://host/peer.jws' }, 'relationship-invalid'],
    ['plain HTTP', { endpointUrl: 'http://peer.example/' }, 'relationship-invalid'],
    [
      'another pin',
      { bootstrap: { kind: 'pin', pin: parsePin(`sha256:${'0'.repeat(64)}`) } },
      'pin-mismatch',
    ],
  ] as const)('is not added with %s', async (_, rest, code) => {
    await using world = await AgentWorld.start(TEST_INSTANT);
    carry(await signed([ca], 1n));
    await expect(world.federation.relationships.add(request(rest))).rejects.toMatchObject({ code });
    expect(world.trusted()).toBeUndefined();
  });

  it('may take the place of an endpoint, by the roots that are held', async () => {
    await using world = await federated();
    carry(await signed([ca, next], 2n));
    const { poll } = await world.federation.relationships.change(peerName, {
      endpointUrl: carrier.url('/elsewhere.jws'),
      actor: 'operator:1',
      reason: 'a bucket',
    });
    expect(poll).toMatchObject({ kind: 'accepted' });
  });

  it.each([
    ['a FIFO that nobody writes', (path: string) => void execFileSync('mkfifo', [path])],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a device without end', (path: string) => symlinkSync('/dev/zero', path)],
  ])('holds nobody up where its file becomes %s', async (_, make) => {
    const path = folder.file('peer.jws');
    writeFileSync(path, await signed([ca], 1n));
    await using world = await AgentWorld.start(TEST_INSTANT);
    await world.federation.relationships.add(request({ endpointUrl: pathToFileURL(path).href }));
    rmSync(path);
    make(path);
    expect(await world.poll()).toBe('failed file-unreadable');
    expect(world.trusted()).toHaveLength(1);
    await world.federation.relationships.remove(peerName, { actor: 'operator:1000', reason: 'over' });
    expect(world.trusted()).toBeUndefined();
  });
});
