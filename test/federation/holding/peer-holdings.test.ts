import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { holdingClaims } from '../../../src/federation/fetch/holding-claims.ts';
import { type PeerHolding, PeerHoldings } from '../../../src/federation/index.ts';
import {
  BundleSet,
  parseTrustDomain,
  type StatementRequest,
  type StatementSigner,
  signStatement,
} from '../../../src/spiffe/index.ts';
import type { Relationship } from '../../../src/store/index.ts';
import { createRecordingLog } from '../../../testkit/recording-log.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';

const A = parseTrustDomain('a.example');
const B = parseTrustDomain('b.example');
const HOLDING = { digest: 'ab'.repeat(32), sequence: 18446744073709551615n, since: TEST_INSTANT } as const;
let ca: TestCa;
let agent: StatementSigner;
let workload: StatementSigner;
let relationships: Map<string, Relationship>;
let clock: TestClock;
let noted: PeerHolding[];
let holdings: PeerHoldings;
const log = createRecordingLog();

const signerOf = async (path: string): Promise<StatementSigner> => {
  const leaf = await ca.issueLeaf({ path });
  return { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
};

beforeAll(async () => {
  ca = await createTestCa({ trustDomain: B });
  [agent, workload] = await Promise.all([signerOf('/agent'), signerOf('/workload')]);
});
beforeEach(() => {
  clock = new TestClock(TEST_INSTANT);
  noted = [];
  const relationship: Relationship = {
    trustDomain: B,
    endpointUrl: 'https://b.example/',
    profile: { kind: 'https_spiffe', endpointId: agent.id },
    state: 'active',
    consecutiveFailures: 0,
    createdAt: TEST_INSTANT,
    bootstrap: { kind: 'bundle-pin', detail: '' },
  };
  relationships = new Map([[B, relationship]]);
  holdings = new PeerHoldings({
    ownTrustDomain: () => A,
    relationshipWith: (trustDomain) => relationships.get(trustDomain),
    bundles: new BundleSet([ca.bundle()]),
    clock,
    log,
    onHolding: (holding) => noted.push(holding),
  });
});

const statement = (rest: Partial<StatementRequest> = {}) =>
  signStatement({
    type: 'federate-holding+jws',
    signer: agent,
    audience: A,
    issuedAt: TEST_INSTANT,
    expiresAt: new Date(TEST_INSTANT.getTime() + 600_000),
    claims: holdingClaims(HOLDING),
    ...rest,
  });

/** What becomes of a request with this statement: proved, or taken for any other poller's. */
async function verdictOn(token: string, address = '192.0.2.1'): Promise<'proved' | 'plain'> {
  const before = { noted: noted.length, plain: requests() };
  void holdings.note({ address, statement: token });
  await expect.poll(() => noted.length > before.noted || requests() > before.plain).toBe(true);
  return noted.length > before.noted ? 'proved' : 'plain';
}
const unknown = (): never => {
  throw new Error('nothing is known of the peer');
};
const requests = () => holdings.plainPollers().reduce((sum, poller) => sum + poller.requests, 0);

describe('PeerHoldings', () => {
  it('takes the word of the agent that a relationship names, digit for digit', async () => {
    expect(await verdictOn(await statement())).toBe('proved');
    expect(holdings.of(B)).toMatchObject({
      ...HOLDING,
      trustDomain: B,
      signer: agent.id,
      address: '192.0.2.1',
    });
  });

  it('takes the word of another agent only where one was agreed on', async () => {
    const other = await statement({ signer: workload });
    expect(await verdictOn(other)).toBe('plain');
    const [relationship] = relationships.values();
    relationships.set(B, { ...(relationship as Relationship), agentId: workload.id });
    expect(await verdictOn(other)).toBe('proved');
    expect(await verdictOn(await statement())).toBe('plain');
  });

  it.each([
    ['for somebody else', () => statement({ audience: 'c.example' })],
    ['of another kind', () => statement({ type: 'federate-head+jws' })],
    [
      'that is over',
      () => statement({ expiresAt: new Date(TEST_INSTANT.getTime() - 61_000), issuedAt: new Date(0) }),
    ],
    ['without a holding', () => statement({ claims: {} })],
    ['with a digest that is none', () => statement({ claims: { holds: { digest: '00' } } })],
    ['that is garbage', () => Promise.resolve('a.b.c')],
    ['that is empty', () => Promise.resolve('')],
    ['that is too long', async () => `${await statement()}${'A'.repeat(7000)}`],
    ['whose signature was changed', async () => `${(await statement()).slice(0, -8)}AAAAAAAA`],
    [
      'of a stranger with the same name',
      async () => {
        const leaf = await (await createTestCa({ trustDomain: B })).issueLeaf({ path: '/agent' });
        return statement({ signer: { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key } });
      },
    ],
  ])('takes no statement %s, and counts whoever made it among all others', async (_, make) => {
    expect(await verdictOn(await statement())).toBe('proved');
    expect(await verdictOn(await make(), '192.0.2.66')).toBe('plain');
    expect(holdings.of(B)).toMatchObject({ address: '192.0.2.1' });
  });

  it('takes no statement of a trust domain without a relationship, and forgets those whose relationship ended', async () => {
    const token = await statement();
    expect(await verdictOn(token)).toBe('proved');
    relationships.clear();
    expect(holdings.of(B)).toBeUndefined();
    expect(await verdictOn(token)).toBe('plain');
  });

  it('lets an older statement, played again, say nothing about now', async () => {
    const old = await statement();
    const later = new Date(TEST_INSTANT.getTime() + 5000);
    const newer = { ...HOLDING, digest: 'cd'.repeat(32) };
    await clock.advance(5000);
    expect(await verdictOn(await statement({ issuedAt: later, claims: holdingClaims(newer) }))).toBe(
      'proved',
    );
    void holdings.note({ address: '192.0.2.66', statement: old });
    void holdings.note({ address: '192.0.2.66', statement: 'x' });
    await expect.poll(requests).toBe(1);
    expect(holdings.of(B)).toMatchObject({ digest: newer.digest, address: '192.0.2.1' });
  });

  it('proves nobody by a statement whose time is over, also where it was proved before', async () => {
    const token = await statement();
    expect(await holdings.prove('192.0.2.1', token)).toBe(B);
    expect(await holdings.prove('192.0.2.1', token)).toBe(B);
    await clock.advance(11 * 60_000);
    expect(await holdings.prove('192.0.2.1', token)).toBeUndefined();
  });

  it('proves nobody by a statement whose signer the present bundle does not prove any more', async () => {
    let bundles = new BundleSet([ca.bundle()]);
    const changing = new PeerHoldings({
      ownTrustDomain: () => A,
      relationshipWith: (trustDomain) => relationships.get(trustDomain),
      bundles: { bundleFor: (trustDomain) => bundles.bundleFor(trustDomain) },
      clock,
      log,
    });
    const token = await statement();
    expect(await changing.prove('192.0.2.1', token)).toBe(B);
    bundles = new BundleSet([(await createTestCa({ trustDomain: B })).bundle()]);
    expect(await changing.prove('192.0.2.1', token)).toBeUndefined();
  });

  it('checks no more than thirty new signatures a minute for one address, and the same one again for free', async () => {
    const wrong = async (number: number) => statement({ audience: `c${number}.example` });
    for (let number = 0; number < 30; number += 1) await verdictOn(await wrong(number), '192.0.2.66');
    expect(await verdictOn(await statement(), '192.0.2.66')).toBe('plain');
    expect(await verdictOn(await statement(), '192.0.2.1')).toBe('proved');
    await clock.advance(60_000);
    expect(
      await verdictOn(
        await statement({ issuedAt: TEST_INSTANT, claims: holdingClaims(HOLDING) }),
        '192.0.2.66',
      ),
    ).toBe('proved');
    const token = await statement();
    expect(await verdictOn(token, '192.0.2.7')).toBe('proved');
    await clock.advance(1000);
    for (let again = 0; again < 100; again += 1)
      void holdings.note({ address: '192.0.2.7', statement: token });
    await expect.poll(() => holdings.of(B)?.seenAt).toEqual(clock.now());
  });

  it('remembers of everyone else the tag shown last and since when, and of no more than a thousand', async () => {
    const note = (address: string, heldTag?: string) => holdings.note({ address, heldTag });
    void note('192.0.2.1');
    await clock.advance(1000);
    void note('192.0.2.1', '"one"');
    await clock.advance(1000);
    void note('192.0.2.1', '"one"');
    const since = new Date(TEST_INSTANT.getTime() + 1000);
    expect(holdings.plainPollers()).toEqual([
      {
        address: '192.0.2.1',
        requests: 3,
        firstSeenAt: TEST_INSTANT,
        lastSeenAt: clock.now(),
        heldTag: '"one"',
        heldTagSince: since,
      },
    ]);
    void note('192.0.2.1', `"${'x'.repeat(300)}"`);
    expect(holdings.plainPollers()[0]).not.toHaveProperty('heldTag');
    for (let number = 0; number < 1100; number += 1) void note(`2001:db8::${number}`);
    expect(holdings.plainPollers()).toHaveLength(1024);
    expect(holdings.forgotAt).toEqual(clock.now());
  });

  it('knows since when a peer says the same, by our clock, and goes on from there after a restart', async () => {
    const later = (seconds: number) => new Date(TEST_INSTANT.getTime() + seconds * 1000);
    await verdictOn(await statement());
    await clock.advance(300_000);
    const claim = statement({ issuedAt: later(300), expiresAt: later(900) });
    expect(await verdictOn(await claim)).toBe('proved');
    expect(holdings.of(B)).toMatchObject({ knownSince: TEST_INSTANT, seenAt: later(300) });
    const inMesh = { progress: 'written', since: later(1) } as const;
    const claims = holdingClaims({ ...HOLDING, inMesh });
    expect(await verdictOn(await statement({ issuedAt: later(301), expiresAt: later(900), claims }))).toBe(
      'proved',
    );
    expect(holdings.of(B)).toMatchObject({ knownSince: later(300), inMesh });

    const { knownSince: _, seenAt: __, ...kept } = holdings.of(B) ?? unknown();
    await clock.advance(60_000);
    holdings.restore([{ ...kept, digest: 'ef'.repeat(32) }]);
    expect(holdings.of(B)).toMatchObject({ digest: 'ef'.repeat(32), knownSince: later(360) });
  });

  it('remembers which document a plain poller was given, and forgets it when a peer proves to be there', async () => {
    holdings.noteServed('192.0.2.1', '"never asked"');
    expect(holdings.plainPollers()).toEqual([]);
    void holdings.note({ address: '192.0.2.1' });
    holdings.noteServed('192.0.2.1', '"one"');
    await clock.advance(1000);
    void holdings.note({ address: '192.0.2.1' });
    holdings.noteServed('192.0.2.1', '"one"');
    const expected = { servedTag: '"one"', servedTagSince: TEST_INSTANT, requests: 2 };
    expect(holdings.plainPollers()).toMatchObject([expected]);
    await verdictOn(await statement(), '192.0.2.1');
    expect(holdings.plainPollers()).toEqual([]);
    // Whoever still polls from there is somebody else.
    void holdings.note({ address: '192.0.2.1' });
    const again = statement({ issuedAt: clock.now(), expiresAt: new Date(clock.now().getTime() + 60_000) });
    await verdictOn(await again, '192.0.2.1');
    expect(holdings.plainPollers()).toHaveLength(1);
  });
});
