import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isProofOfSecret, proveSecret, publicKeyOfSecret } from '../../src/invitation/secret.ts';
import { type Side, type SideTerms, parseSide, serializeSide } from '../../src/invitation/side.ts';
import { transcriptOf, wordsOf } from '../../src/invitation/transcript.ts';
import { WORDS } from '../../src/invitation/word-list.ts';
import { defaultBundleLimits, parseSpiffeId, parseTrustDomain } from '../../src/spiffe/index.ts';
import { codeOf } from '../spiffe/attempt.ts';

const ID = '00112233445566ff';
const terms = (role: Side['role'], name: string): SideTerms => ({
  role,
  invitationId: ID,
  trustDomain: parseTrustDomain(name),
  endpointUrls: [`https://${name}/`],
  profile: { kind: 'https_web' },
  agentId: parseSpiffeId(`spiffe://${name}/federate`),
  bundleDocument: '{"keys":[]}',
  at: new Date('2026-11-21T10:00:00Z'),
  nonce: '0a'.repeat(32),
});
const read = (terms: SideTerms, text = serializeSide(terms)) =>
  parseSide(text, { role: terms.role, invitationId: ID, limits: defaultBundleLimits });
const a = read(terms('inviter', 'a.example'));
const b = read(terms('newcomer', 'b.example'));
const input = { invitationId: ID, inviter: a, newcomer: b, exporter: Buffer.alloc(32, 1) };

describe('transcriptOf()', () => {
  it('is what docs/invitations.md says it is', () => {
    const parts: (string | Buffer)[] = ['federate-invitation-transcript-v1', ID];
    const sha = (text: string) => createHash('sha256').update(text).digest();
    for (const { role, trustDomain, endpointUrls, bundleDocument, nonce, text } of [a, b])
      parts.push(role, trustDomain, endpointUrls.join(' '), sha(bundleDocument), nonce, sha(text));
    parts.push('exporter', input.exporter);
    const hash = createHash('sha256');
    for (const part of parts) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(part));
      hash.update(length).update(part);
    }
    const expected = hash.digest();
    expect(transcriptOf(input).equals(expected)).toBe(true);
    const first = createHash('sha256').update('federate-invitation-words-v1\n').update(expected).digest();
    expect(wordsOf(expected)).toBe([0, 1, 2, 3].map((at) => WORDS[first[at] ?? 0]).join(' '));
  });

  it('is another one for every other thing that was said, on every other connection', () => {
    const others = [
      { ...input, invitationId: 'ff'.repeat(8) },
      { ...input, exporter: Buffer.alloc(32, 2) },
      { ...input, inviter: read({ ...terms('inviter', 'a.example'), nonce: '0b'.repeat(32) }) },
      {
        ...input,
        newcomer: read({ ...terms('newcomer', 'b.example'), endpointUrls: ['https://c.example/'] }),
      },
      { ...input, newcomer: read({ ...terms('newcomer', 'b.example'), at: new Date(0) }) },
      { ...input, newcomer: read({ ...terms('newcomer', 'b.example'), bundleDocument: '{"keys": []}' }) },
      {
        ...input,
        inviter: { ...b, role: 'inviter' as const },
        newcomer: { ...a, role: 'newcomer' as const },
      },
    ].map((each) => transcriptOf(each).toString('hex'));
    expect(new Set([transcriptOf(input).toString('hex'), ...others]).size).toBe(others.length + 1);
  });
});

describe('parseSide()', () => {
  const text = serializeSide(terms('inviter', 'a.example'));
  const changed = (change: Record<string, unknown>) => JSON.stringify({ ...JSON.parse(text), ...change });
  const codeFor = (terms: string, role: Side['role'] = 'inviter', invitationId = ID) =>
    codeOf(() => parseSide(terms, { role, invitationId, limits: defaultBundleLimits }));

  it('reads what serializeSide() writes', () => {
    expect(codeFor(text)).toBe('accepted');
    expect(a).toMatchObject({ ...terms('inviter', 'a.example'), text, bundle: { x509Authorities: [] } });
  });

  it.each([
    ['another role', changed({ role: 'newcomer' })],
    ['another invitation', changed({ invitation: 'ff'.repeat(8) })],
    ['no trust domain', changed({ trust_domain: 'A B' })],
    ['a signer of another trust domain', changed({ agent_id: 'spiffe://c.example/x' })],
    ['an unknown profile', changed({ profile: 'signed_bundle' })],
    ['a plain URL', changed({ endpoint_urls: ['http://a.example/'] })],
    ['a URL with a user', changed({ endpoint_urls: ['https://me@a.example/'] })],
    ['no URL', changed({ endpoint_urls: [] })],
    ['too many URLs', changed({ endpoint_urls: Array(4).fill('https://a.example/') })],
    ['a URL that is no text', changed({ endpoint_urls: [1] })],
    ['a CA beside https_spiffe', changed({ profile: 'https_spiffe', ca_pem: 'x' })],
    ['a CA that is none', changed({ ca_pem: 'x' })],
    ['a bundle that is none', changed({ bundle: '[]' })],
    ['a bundle that is no text', changed({ bundle: { keys: [] } })],
    ['a short nonce', changed({ nonce: '00' })],
    ['no time', changed({ at: 'soon' })],
    ['no JSON', 'x'],
    ['a list', '[]'],
    ['a member twice', text.replace('{', '{"role":"inviter",')],
  ])('refuses %s', (_what, terms) => {
    expect(codeFor(terms)).toBe('invitation-message-invalid');
  });
});

describe('proveSecret() and isProofOfSecret()', () => {
  const of = { id: ID, secret: new Uint8Array(16).fill(7) };
  const transcript = transcriptOf(input);
  const proof = proveSecret(of, transcript);
  const key = publicKeyOfSecret(of);

  it('go together for one secret, one invitation and one transcript', () => {
    expect(isProofOfSecret(key, transcript, proof)).toBe(true);
    expect(isProofOfSecret(key, Buffer.alloc(32), proof)).toBe(false);
    expect(isProofOfSecret(key, transcript, proveSecret({ ...of, id: 'ff'.repeat(8) }, transcript))).toBe(
      false,
    );
    expect(
      isProofOfSecret(key, transcript, proveSecret({ ...of, secret: new Uint8Array(16) }, transcript)),
    ).toBe(false);
    for (const wrong of [new Uint8Array(), new Uint8Array(64), proof.slice(0, 63)])
      expect(isProofOfSecret(key, transcript, wrong)).toBe(false);
  });

  it('tell nothing of the secret', () => {
    const hex = Buffer.from(of.secret).toString('hex');
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(key + Buffer.from(proof).toString('hex')).not.toContain(hex);
  });
});
