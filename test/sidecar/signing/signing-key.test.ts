import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readSigningKey, type SigningAlgorithm } from '../../../src/demonstration/sidecar/index.ts';
import { World } from '../support.ts';
import { keyFiles } from './keys.ts';

const pem = (kind: 'pkcs8' | 'spki', curve?: string) => {
  const pair =
    curve === undefined ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: curve });
  return kind === 'pkcs8'
    ? String(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }))
    : String(pair.publicKey.export({ format: 'pem', type: 'spki' }));
};

describe('readSigningKey()', () => {
  it.each([
    'hmac-sha256',
    'ecdsa-p256-sha256',
    'ed25519',
  ] as const)('reads both sides of %s', async (algorithm) => {
    await using world = new World();
    const { sign, verify } = keyFiles(world, algorithm);
    expect(await readSigningKey(sign, 'sign')).toMatchObject({ id: 'key-1', algorithm });
    expect(await readSigningKey(verify, 'verify')).toMatchObject({ id: 'key-1', algorithm });
  });

  it.each<[string, SigningAlgorithm, 'sign' | 'verify', string, number]>([
    ['a secret that others may read', 'hmac-sha256', 'sign', 'A'.repeat(44), 0o640],
    ['a secret that others may read, where it verifies', 'hmac-sha256', 'verify', 'A'.repeat(44), 0o644],
    ['a private key that others may read', 'ed25519', 'sign', pem('pkcs8'), 0o604],
    ['a secret of 31 bytes', 'hmac-sha256', 'sign', Buffer.alloc(31).toString('base64'), 0o600],
    ['a secret of 1025 bytes', 'hmac-sha256', 'sign', Buffer.alloc(1025).toString('base64'), 0o600],
    [
      'a secret that is not base64',
      'hmac-sha256',
      'sign',
      'hunter2 hunter2 hunter2 hunter2 hunter2 hunter2',
      0o600,
    ],
    ['an empty file', 'hmac-sha256', 'sign', '', 0o600],
    ['a key of another curve', 'ecdsa-p256-sha256', 'sign', pem('pkcs8', 'P-384'), 0o600],
    ['a key of another kind', 'ecdsa-p256-sha256', 'sign', pem('pkcs8'), 0o600],
    ['another kind of public key', 'ed25519', 'verify', pem('spki', 'P-256'), 0o644],
    ['a public key where it signs', 'ed25519', 'sign', pem('spki'), 0o600],
    ['a private key where it verifies', 'ed25519', 'verify', pem('pkcs8'), 0o600],
    ['text that is not PEM', 'ed25519', 'verify', 'hunter2', 0o644],
    ['a file that is too large', 'ed25519', 'verify', 'x'.repeat(70_000), 0o644],
  ])('refuses %s without a word of it', async (_, algorithm, purpose, text, mode) => {
    await using world = new World();
    const file = keyFiles(world, 'ed25519').write('key', text, mode);
    const refused = await readSigningKey({ id: 'x', algorithm, file }, purpose).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ code: 'signing-key-unusable', message: expect.stringContaining(file) });
    expect(String(refused)).not.toMatch(/hunter2|AAAA/);
  });

  it('refuses a file that is not there', async () => {
    const file = '/nowhere/key';
    await expect(readSigningKey({ id: 'x', algorithm: 'ed25519', file }, 'verify')).rejects.toMatchObject({
      code: 'signing-key-unusable',
    });
  });
});
