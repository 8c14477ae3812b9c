import { createHash, createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bundleOf, matchPin, parsePin, pinOfBundle, pinOfKey } from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { codeOf } from './attempt.ts';

describe('parsePin()', () => {
  it('reads sha256: and 64 lower-case hex digits, and nothing else', () => {
    const text = `sha256:${'a0'.repeat(32)}`;
    expect(parsePin(text)).toBe(text);
    for (const other of [
      '',
      'a0'.repeat(32),
      text.toUpperCase(),
      `${text}\n`,
      ` ${text}`,
      text.slice(1),
      text.slice(0, -1),
      `${text}0`,
      text.replace('256', '512'),
    ]) {
      expect(codeOf(() => parsePin(other))).toBe('pin-malformed');
    }
  });
});

describe('matchPin()', () => {
  it('recognises the content of a bundle and the keys of its roots', async () => {
    const ca = await createTestCa({ trustDomain: 'a.example' });
    const other = await createTestCa({ trustDomain: 'a.example' });
    const bundle = ca.bundle(1n);
    const spki = createHash('sha256')
      .update(createPublicKey(ca.key).export({ type: 'spki', format: 'der' }))
      .digest('hex');
    expect(pinOfKey(ca.authority.keyFingerprint)).toBe(`sha256:${spki}`);
    expect(matchPin(bundle, pinOfBundle(bundleOf(ca.trustDomain, [ca.authority], { sequence: 9n })))).toBe(
      'bundle',
    );
    expect(matchPin(bundle, parsePin(`sha256:${spki}`))).toBe('key');
    expect(matchPin(bundle, pinOfBundle(other.bundle()))).toBeUndefined();
    const two = bundleOf(ca.trustDomain, [other.authority, ca.authority]);
    expect(matchPin(two, parsePin(`sha256:${spki}`))).toBe('key');
    expect(matchPin(bundle, pinOfBundle(bundle))).toBe('bundle');
    expect(matchPin(bundle, pinOfKey(other.authority.keyFingerprint))).toBeUndefined();
    // The pin of the certificate itself is neither.
    expect(matchPin(bundle, pinOfKey(ca.authority.fingerprint))).toBeUndefined();
  });
});
