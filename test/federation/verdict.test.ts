import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, type JudgeInput, type Verdict } from '../../src/federation/trust/verdict.ts';
import {
  bundlesEqual,
  contentDigest,
  type JwtAuthority,
  parseSpiffeId,
  type TrustBundle,
} from '../../src/spiffe/index.ts';
import { keyNamesOf } from '../../src/store/index.ts';
import { createAuthority } from './authority.ts';
import { INSTANT, madeUpBundle, madeUpRoot } from './made-up-bundle.ts';

const web = { kind: 'https_web' } as const;
const spiffe = { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://peer.example/endpoint') } as const;

function verdictOn(
  held: TrustBundle | undefined,
  offered: TrustBundle,
  rest: Partial<JudgeInput> = {},
): Verdict {
  return judge({ held, offered, profile: spiffe, own: undefined, others: [], now: INSTANT, ...rest });
}

const peer = (roots: Parameters<typeof madeUpBundle>[1], rest: Parameters<typeof madeUpBundle>[2] = {}) =>
  madeUpBundle('peer.example', roots, rest);

const madeUpJwk = () =>
  generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) as JwtAuthority['jwk'];
const spkiFingerprint = (jwk: JwtAuthority['jwk']) =>
  createHash('sha256')
    .update(createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'der' }))
    .digest('hex');

const code = (verdict: Verdict) => ('code' in verdict ? verdict.code : undefined);
const notes = (verdict: Verdict) =>
  verdict.kind === 'accepted' ? verdict.notes.map((note) => note.code) : [];

describe('judge() by policy', () => {
  const held = peer(['r1', 'r2'], { sequence: 4n });
  const others = [madeUpBundle('other.example', ['theirs'])];
  const own = madeUpBundle('own.example', ['ours']);
  const judged = (policy: JudgeInput['policy'], offered: TrustBundle, rest: Partial<JudgeInput> = {}) => {
    const verdict = verdictOn(held, offered, { profile: web, own, others, policy, ...rest });
    return [verdict.kind, code(verdict)].filter((word) => word !== undefined).join(' ');
  };

  it.each([
    ['a root that is added', peer(['r1', 'r2', 'r3'], { sequence: 5n }), ['accepted', 'accepted', 'asked']],
    ['a root that goes', peer(['r1'], { sequence: 5n }), ['accepted', 'accepted', 'accepted']],
    ['a full revocation', peer([], { sequence: 5n }), ['accepted', 'accepted', 'accepted']],
    ['all roots replaced', peer(['r3'], { sequence: 5n }), ['accepted', 'quarantined', 'asked']],
    ['equal content', peer(['r2', 'r1'], { sequence: 5n }), ['unchanged', 'unchanged', 'unchanged']],
  ])('%s: auto, ask-on-dangerous, ask-always', (_what, offered, expected) => {
    const words: Record<string, string> = {
      asked: 'quarantined policy-asks-always',
      quarantined: 'quarantined all-roots-replaced',
    };
    const outcomes = (['auto', 'ask-on-dangerous', 'ask-always'] as const).map((policy) =>
      judged(policy, offered),
    );
    expect(outcomes).toEqual(expected.map((word) => words[word] ?? word));
    expect(judged(undefined, offered)).toBe(outcomes[1]);
  });

  it.each([
    ['a root of ours', peer(['r1', 'ours'], { sequence: 5n }), 'quarantined own-root-offered'],
    [
      'a root of another trust domain',
      peer(['r1', 'theirs'], { sequence: 5n }),
      'quarantined root-of-another-trust-domain',
    ],
    ['a lower number', peer(['r1', 'r2', 'r3'], { sequence: 3n }), 'refused sequence-rolled-back'],
  ])('no policy lets %s through (design, invariants 1 and 3)', (_what, offered, expected) => {
    for (const policy of ['auto', 'ask-on-dangerous', 'ask-always'] as const)
      expect(judged(policy, offered)).toBe(expected);
  });

  it('auto tells what it let through', () => {
    const verdict = verdictOn(held, peer(['r3'], { sequence: 5n }), { profile: web, policy: 'auto' });
    expect(notes(verdict)).toContain('all-roots-replaced');
    const overlap = verdictOn(held, peer(['r1', 'r3'], { sequence: 5n }), { profile: web, policy: 'auto' });
    expect(notes(overlap)).toEqual([]);
  });

  it('asks about a new JWT key as about a root', () => {
    const jwt = peer(['r1', 'r2'], {
      sequence: 5n,
      jwtAuthorities: [{ keyId: 'k', jwk: madeUpJwk() }],
    });
    expect(judged('ask-always', jwt)).toBe('quarantined policy-asks-always');
    expect(judged('auto', jwt)).toBe('accepted');
  });
});

describe('judge() of what was rejected', () => {
  const held = peer(['r1'], { sequence: 4n });
  const offered = peer(['r1', 'r2'], { sequence: 5n });
  const rejected = { at: INSTANT, actor: 'operator:ann', reason: 'not theirs' };

  it('keeps that content out whatever its number and the policy, and says who said so and why', () => {
    expect(verdictOn(held, offered).kind).toBe('accepted');
    const verdict = verdictOn(held, { ...offered, sequence: 9n }, { rejected, policy: 'auto' });
    expect(verdict).toMatchObject({ kind: 'refused', code: 'offer-rejected' });
    expect('message' in verdict && verdict.message).toMatch(/operator:ann.*not theirs/);
  });

  it('lets it in on the word of the operator who names it, and no other', () => {
    const digest = contentDigest(offered);
    expect(verdictOn(held, offered, { rejected, override: { digest } })).toMatchObject({
      kind: 'accepted',
      overridden: 'offer-rejected',
    });
    expect(verdictOn(held, offered, { rejected, override: { digest: 'f'.repeat(64) } }).kind).toBe('refused');
  });

  it('does not mind a rejection of what is held: that is trusted already', () => {
    expect(verdictOn(held, { ...held, sequence: 5n }, { rejected }).kind).toBe('unchanged');
  });

  it('keeps a first bundle out too', () => {
    expect(code(verdictOn(undefined, offered, { rejected }))).toBe('offer-rejected');
  });
});

describe('judge()', () => {
  it('accepts a first bundle with everything added', () => {
    const verdict = verdictOn(undefined, peer(['r1', 'r2']));
    expect(verdict).toMatchObject({ kind: 'accepted', notes: [] });
    expect(verdict.kind === 'accepted' && verdict.diff.addedX509).toHaveLength(2);
  });

  it('calls equal content unchanged, in whatever order the roots come (invariant 8)', () => {
    const verdict = verdictOn(peer(['r1', 'r2'], { sequence: 4n }), peer(['r2', 'r1'], { sequence: 4n }));
    expect(verdict).toEqual({ kind: 'unchanged', metadataChanged: false });
  });

  it('tells when only the sequence or the hint moved', () => {
    const held = peer(['r1'], { sequence: 4n, refreshHintSeconds: 60 });
    expect(verdictOn(held, { ...held, sequence: 5n })).toEqual({ kind: 'unchanged', metadataChanged: true });
    expect(verdictOn(held, { ...held, refreshHintSeconds: 600 })).toEqual({
      kind: 'unchanged',
      metadataChanged: true,
    });
  });

  it('accepts a higher sequence and refuses a lower one (FED-48)', () => {
    const held = peer(['r1'], { sequence: 9007199254740992n });
    expect(verdictOn(held, peer(['r1', 'r2'], { sequence: 9007199254740993n })).kind).toBe('accepted');
    const lower = verdictOn(held, peer(['r1', 'r2'], { sequence: 9007199254740991n }));
    expect(lower).toMatchObject({ kind: 'refused', code: 'sequence-rolled-back' });
  });

  it('calls equal content under a lower sequence unchanged, and leaves the number alone (FED-48, invariant 3)', () => {
    const held = peer(['r1'], { sequence: 5n });
    expect(verdictOn(held, { ...held, sequence: 4n })).toEqual({
      kind: 'unchanged',
      metadataChanged: false,
      leavesSequence: true,
    });
    expect(verdictOn(held, { ...held, sequence: 4n, refreshHintSeconds: 60 })).toMatchObject({
      metadataChanged: true,
      leavesSequence: true,
    });
  });

  it('takes the bundle retrieved last without numbers (FED-49)', () => {
    expect(verdictOn(peer(['r1']), peer(['r1', 'r2']))).toMatchObject({ kind: 'accepted', notes: [] });
  });

  it('adopts other content under the same sequence, and tells (FED-50)', () => {
    const verdict = verdictOn(peer(['r1'], { sequence: 5n }), peer(['r1', 'r2'], { sequence: 5n }));
    expect(verdict.kind).toBe('accepted');
    expect(notes(verdict)).toEqual(['content-changed-under-same-sequence']);
  });

  it('adopts content whose number appears or disappears, and tells (FED-51)', () => {
    expect(notes(verdictOn(peer(['r1']), peer(['r1', 'r2'], { sequence: 1n })))).toEqual([
      'sequence-appeared',
    ]);
    expect(notes(verdictOn(peer(['r1'], { sequence: 9n }), peer(['r1', 'r2'])))).toEqual([
      'sequence-disappeared',
    ]);
  });

  it('replaces as a whole: what is not listed is removed (TDB-41)', () => {
    const verdict = verdictOn(peer(['r1', 'r2']), peer(['r2', 'r3']));
    expect(verdict.kind === 'accepted' && verdict.diff).toMatchObject({
      addedX509: [{ subject: 'CN=r3' }],
      removedX509: [{ subject: 'CN=r1' }],
      keptX509: [{ subject: 'CN=r2' }],
    });
  });

  it('honours a valid empty bundle as a revocation, under both profiles (TDB-04, TDB-05, invariant 2)', () => {
    for (const profile of [web, spiffe]) {
      const verdict = verdictOn(peer(['r1']), peer([]), { profile });
      expect(verdict.kind).toBe('accepted');
      expect(notes(verdict)).toEqual(['all-keys-revoked']);
    }
  });

  it('tells a bundle without X.509 roots, and one whose roots are all outside their validity (TDB-29, TDB-31)', () => {
    const jwtAuthorities = [{ keyId: 'k', jwk: madeUpJwk() }];
    expect(notes(verdictOn(peer(['r1']), peer([], { jwtAuthorities })))).toEqual(['no-x509-roots']);
    const expired = madeUpRoot('old', { notAfter: new Date('2030-05-01T00:00:00Z') });
    expect(notes(verdictOn(peer(['r1']), peer([expired])))).toEqual(['all-roots-outside-validity']);
    expect(notes(verdictOn(peer(['r1']), peer([expired, 'r2'])))).toEqual([]);
    const [{ notBefore, notAfter } = madeUpRoot('r2')] = peer(['r2']).x509Authorities;
    const at = (instant: Date, ms: number) =>
      notes(verdictOn(peer(['r1']), peer(['r2']), { now: new Date(instant.getTime() + ms) }));
    expect([at(notBefore, 0), at(notAfter, 0)]).toEqual([[], []]);
    expect([at(notBefore, -1), at(notAfter, 1)]).toEqual([
      ['all-roots-outside-validity'],
      ['all-roots-outside-validity'],
    ]);
  });

  it('quarantines the replacement of all roots over https_web, and only there (invariant 4)', () => {
    const held = peer(['r1', 'r2']);
    expect(verdictOn(held, peer(['r2', 'r3']), { profile: web }).kind).toBe('accepted');
    expect(verdictOn(held, peer(['r3']), { profile: spiffe }).kind).toBe('accepted');
    expect(verdictOn(held, peer(['r3']), { profile: web })).toMatchObject({
      kind: 'quarantined',
      code: 'all-roots-replaced',
    });
  });

  it('takes a root that was issued again with the same key as an overlap', async () => {
    const root = await createAuthority('r1', INSTANT);
    const held = peer([root.x509]);
    const offered = peer([await root.renewed(), 'r2']);
    expect(verdictOn(held, offered, { profile: web }).kind).toBe('accepted');
  });

  it('takes no held key for an overlap in a certificate that this key did not sign', async () => {
    const root = await createAuthority('r1', INSTANT);
    const held = peer([root.x509]);
    const borrowed = await root.borrowed();
    expect(verdictOn(held, peer([borrowed, 'r2']), { profile: web })).toMatchObject({
      kind: 'quarantined',
      code: 'all-roots-replaced',
    });
    expect(verdictOn(held, peer([root.x509, borrowed, 'r2']), { profile: web }).kind).toBe('accepted');
    expect(verdictOn(peer([borrowed, 'r2']), peer([borrowed]), { profile: web }).kind).toBe('accepted');
  });

  it('quarantines roots that follow a full revocation over https_web: two steps do not get around it', () => {
    const revoked = keyNamesOf(peer(['r1'])).map((key) => ({
      ...key,
      since: INSTANT,
      vouched: true,
      gone: { at: INSTANT, known: false },
    }));
    expect(verdictOn(peer([]), peer(['r3']), { profile: web, prior: { keys: revoked } })).toMatchObject({
      code: 'all-roots-replaced',
      message: expect.stringContaining('after a full revocation'),
    });
    expect(verdictOn(peer([]), peer(['r3']), { profile: web })).toMatchObject({
      code: 'all-roots-replaced',
      message: expect.stringContaining('none was held before'),
    });
    expect(verdictOn(peer(['r1']), peer(['r3']), { profile: web })).toMatchObject({
      code: 'all-roots-replaced',
      message: expect.stringContaining('without any overlap'),
    });
    expect(verdictOn(peer([]), peer(['r3']), { profile: spiffe }).kind).toBe('accepted');
  });

  it('quarantines a root of our own, and one of another trust domain (TDB-42, invariant 4)', () => {
    const own = madeUpBundle('own.example', ['mine']);
    const other = madeUpBundle('other.example', ['theirs']);
    const surroundings = { own, others: [other, peer(['r1'])] };
    expect(verdictOn(peer(['r1']), peer(['r1', 'r2']), surroundings).kind).toBe('accepted');
    expect(code(verdictOn(peer(['r1']), peer(['r1', 'mine']), surroundings))).toBe('own-root-offered');
    expect(code(verdictOn(peer(['r1']), peer(['r1', 'theirs']), surroundings))).toBe(
      'root-of-another-trust-domain',
    );
    expect(code(verdictOn(undefined, peer(['theirs']), surroundings))).toBe('root-of-another-trust-domain');
  });

  it('knows a root of another trust domain by its key under another certificate', () => {
    const others = [madeUpBundle('other.example', ['theirs'])];
    const disguised = madeUpRoot('disguised', { key: 'theirs' });
    expect(code(verdictOn(peer(['r1']), peer(['r1', disguised]), { others }))).toBe(
      'root-of-another-trust-domain',
    );
  });

  it('quarantines a JWT key of our own or of another trust domain, under whatever key ID and use (TDB-42)', () => {
    const jwtKeys = ['mine', 'theirs', 'new'].map((keyId) => ({ keyId, jwk: madeUpJwk() }));
    const [mine, theirs, fresh] = jwtKeys as [JwtAuthority, JwtAuthority, JwtAuthority];
    const own = madeUpBundle('own.example', ['r0'], { jwtAuthorities: [mine] });
    const others = [madeUpBundle('other.example', ['r9'], { jwtAuthorities: [theirs] })];
    const offer = (...jwtAuthorities: JwtAuthority[]) =>
      verdictOn(peer(['r1']), peer(['r1'], { jwtAuthorities }), { own, others });
    expect(offer(fresh).kind).toBe('accepted');
    expect(code(offer(fresh, { ...mine, keyId: 'renamed' }))).toBe('own-root-offered');
    expect(code(offer({ ...theirs, keyId: 'renamed' }))).toBe('root-of-another-trust-domain');
    // As a root: the certificate holds the key that the other one signs tokens with.
    const disguised = madeUpRoot('disguised');
    const asRoot = { ...disguised, keyFingerprint: spkiFingerprint(theirs.jwk) };
    expect(verdictOn(peer(['r1']), peer(['r1', disguised]), { own, others }).kind).toBe('accepted');
    expect(code(verdictOn(peer(['r1']), peer(['r1', asRoot]), { own, others }))).toBe(
      'root-of-another-trust-domain',
    );
    // Let in once, it is not asked about again.
    const held = peer(['r1'], { jwtAuthorities: [theirs] });
    expect(verdictOn(held, peer(['r1', 'r2'], { jwtAuthorities: [theirs] }), { own, others }).kind).toBe(
      'accepted',
    );
  });

  it('does not ask again about a shared root that was let in once', () => {
    const others = [madeUpBundle('other.example', ['shared'])];
    const verdict = verdictOn(peer(['r1', 'shared']), peer(['r2', 'r1', 'shared']), { others });
    expect(verdict.kind).toBe('accepted');
  });

  it('lets the operator set an objection aside, and says which (FED-52)', () => {
    const held = peer(['r1'], { sequence: 9n });
    const offered = peer(['r2'], { sequence: 1n });
    expect(verdictOn(held, offered).kind).toBe('refused');
    const verdict = verdictOn(held, offered, { override: {} });
    expect(verdict).toMatchObject({ kind: 'accepted', overridden: 'sequence-rolled-back' });
    expect(notes(verdict)).toContain('operator-override');
  });

  it('keeps to the one offer that the operator named', () => {
    const held = peer(['r1'], { sequence: 9n });
    const [seen, swapped] = [peer(['r2'], { sequence: 1n }), peer(['r3'], { sequence: 1n })];
    const override = { digest: contentDigest(seen) };
    expect(verdictOn(held, seen, { override }).kind).toBe('accepted');
    expect(verdictOn(held, swapped, { override }).kind).toBe('refused');
  });

  it('mentions no override where there was nothing to set aside', () => {
    const verdict = verdictOn(peer(['r1']), peer(['r1', 'r2']), { override: {} });
    expect(verdict).not.toHaveProperty('overridden');
  });

  it('refuses to compare two trust domains', () => {
    expect(() => verdictOn(madeUpBundle('other.example', ['r1']), peer(['r1']))).toThrow(TypeError);
  });

  it('calls whatever it just accepted unchanged, and never goes back to a lower sequence', () => {
    const names = fc.subarray(['r1', 'r2', 'r3', 'r4']);
    const bundles = fc
      .record({ names, sequence: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }) })
      .map(({ names: roots, sequence }) => peer(roots, sequence === undefined ? {} : { sequence }));
    fc.assert(
      fc.property(bundles, bundles, fc.constantFrom(web, spiffe), (held, offered, profile) => {
        const verdict = verdictOn(held, offered, { profile });
        const lower = (held.sequence ?? 0n) > (offered.sequence ?? 2n ** 64n);
        expect(verdict.kind === 'refused').toBe(lower && !bundlesEqual(held, offered));
        fc.pre(verdict.kind === 'accepted');
        expect(verdictOn(offered, offered, { profile }).kind).toBe('unchanged');
      }),
    );
  });

  it('trusts no key that was not offered, goes by no order, and says the same twice', () => {
    const names = fc.shuffledSubarray(['r1', 'r2', 'r3', 'r4']);
    const sequences = fc.option(fc.bigInt({ min: 0n, max: 5n }), { nil: undefined });
    fc.assert(
      fc.property(
        names,
        names,
        sequences,
        fc.constantFrom(web, spiffe),
        (first, second, sequence, profile) => {
          const rest = sequence === undefined ? {} : { sequence };
          const held = peer(first, { sequence: 2n });
          const offered = peer(second, rest);
          const verdict = verdictOn(held, offered, { profile });
          expect(verdictOn(held, offered, { profile })).toEqual(verdict);
          expect(verdictOn(held, peer(second.toReversed(), rest), { profile }).kind).toBe(verdict.kind);
          const { diff } = verdict.kind === 'accepted' ? verdict : { diff: undefined };
          const taken = [...(diff?.addedX509 ?? []), ...(diff?.keptX509 ?? [])].map(
            ({ fingerprint }) => fingerprint,
          );
          const wanted = diff ? offered.x509Authorities.map(({ fingerprint }) => fingerprint) : [];
          expect(taken.sort()).toEqual(wanted.sort());
        },
      ),
    );
  });
});
