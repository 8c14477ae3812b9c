import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Invitation,
  looksLikeInvitation,
  parseInvitation,
  serializeInvitation,
} from '../../src/invitation/line.ts';
import { WORDS } from '../../src/invitation/word-list.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/index.ts';
import { attempt, codeOf } from '../spiffe/attempt.ts';

const agentId = parseSpiffeId('spiffe://a.example/ns/federate/sa/agent');
const sample: Invitation = {
  id: '00112233445566ff',
  secret: Uint8Array.from({ length: 16 }, (_, index) => index * 13),
  trustDomain: parseTrustDomain('a.example'),
  endpointUrls: ['https://federation.a.example:8443/'],
  profile: { kind: 'https_spiffe', endpointId: agentId },
  agentId,
  rootPins: ['0f'.repeat(16), 'a1'.repeat(16)],
  expiresAt: new Date('2026-11-21T10:15:00Z'),
  requireApproval: false,
};
const line = serializeInvitation(sample);

describe('serializeInvitation() and parseInvitation()', () => {
  it.each([
    ['one', sample],
    ['one for https_web', { ...sample, profile: { kind: 'https_web' as const } }],
    [
      'one with everything',
      {
        ...sample,
        endpointUrls: [1, 2, 3].map((n) => `https://host-${n}.a.example/bundle?x=${n}`),
        rootPins: Array.from({ length: 8 }, (_, n) => `${n}0`.repeat(16)),
        requireApproval: true,
        expectedPeer: parseTrustDomain('b.example'),
      },
    ],
  ])('are each other’s inverse for %s', (_what, invitation: Invitation) => {
    const parsed = parseInvitation(serializeInvitation(invitation));
    expect({ ...parsed, secret: [...parsed.secret] }).toEqual({
      ...invitation,
      secret: [...invitation.secret],
    });
  });

  it('make one line of characters that no chat, shell or QR code changes, short enough for all of them', () => {
    expect(line).toMatch(/^FEDERATE:[A-Z2-7]+$/);
    expect(line.length).toBeLessThan(350);
  });

  it('read it in lower case, and over several lines', () => {
    const wrapped = line.toLowerCase().replace(/.{40}/g, '$&\r\n  ');
    expect(parseInvitation(` ${wrapped} `).id).toBe(sample.id);
    expect(looksLikeInvitation(` ${wrapped}`)).toBe(true);
    expect(looksLikeInvitation('https://federate:8443/')).toBe(false);
  });

  it('say of a line that is cut off that it is', () => {
    expect(codeOf(() => parseInvitation(line))).toBe('accepted');
    for (const length of ['FEDERATE:'.length, 12, 20, 100, line.length - 8])
      expect(codeOf(() => parseInvitation(line.slice(0, length)))).toBe('invitation-cut');
  });

  it('refuse a line with any character changed, lost, doubled or swapped', () => {
    const codes = new Set<string | undefined>();
    const from = 'FEDERATE:'.length;
    for (let at = from; at < line.length - 1; at += 1) {
      const [here, next] = [line[at] ?? '', line[at + 1] ?? ''];
      const other = here === 'A' ? 'B' : 'A';
      codes.add(codeOf(() => parseInvitation(line.slice(0, at) + other + line.slice(at + 1))));
      codes.add(codeOf(() => parseInvitation(line.slice(0, at) + line.slice(at + 1))));
      codes.add(codeOf(() => parseInvitation(line.slice(0, at) + here + line.slice(at))));
      if (here !== next)
        codes.add(codeOf(() => parseInvitation(line.slice(0, at) + next + here + line.slice(at + 2))));
    }
    expect(codes).toEqual(new Set(['invitation-cut', 'invitation-mistyped']));
  });

  it.each([
    ['no prefix', line.slice(9), 'invitation-malformed'],
    ['a URL', 'https://a.example/', 'invitation-malformed'],
    ['nothing', '', 'invitation-malformed'],
    ['letters that are none of base32', `${line.slice(0, -1)}0`, 'invitation-mistyped'],
    ['something behind it', `${line}${'A'.repeat(16)}`, 'invitation-mistyped'],
    ['far too much', `FEDERATE:${'A'.repeat(40_000)}`, 'invitation-mistyped'],
  ])('refuse %s', (_what, text, code) => {
    expect(codeOf(() => parseInvitation(text))).toBe(code);
  });

  it('never repeat the line in what they say', () => {
    const outcome = attempt(() => parseInvitation(line.slice(0, 200)));
    expect(outcome).toHaveProperty('error');
    expect(String('error' in outcome ? outcome.error : '')).not.toContain(line.slice(9, 60));
  });

  it('never throw anything but their own error', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.split('')) }),
        (text) => {
          expect(codeOf(() => parseInvitation(`FEDERATE:${text}`))).toMatch(/^invitation-/);
        },
      ),
    );
  });

  it('refuse to write what a line cannot hold', () => {
    for (const wrong of [
      { secret: new Uint8Array(15) },
      { id: '00' },
      { endpointUrls: [] },
      { rootPins: [] },
      { profile: { kind: 'https_spiffe' as const, endpointId: parseSpiffeId('spiffe://a.example/other') } },
    ])
      expect(() => serializeInvitation({ ...sample, ...wrong })).toThrow(TypeError);
  });
});

describe('the words', () => {
  it('are 256 different short ones', () => {
    expect(new Set(WORDS).size).toBe(256);
    for (const word of WORDS) expect(word).toMatch(/^[a-z]{3,8}$/);
  });
});
