import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign, verify } from 'node:crypto';

/**
 * What the line of an invitation proves possession of: a key derived from its secret, and the
 * invitation it belongs to.
 */
export interface InvitationSecret {
  /** 16 hex digits. */
  readonly id: string;
  readonly secret: Uint8Array;
}

/**
 * PKCS#8 and SubjectPublicKeyInfo of Ed25519 keys (RFC 8410) are these bytes and the 32 of the key.
 */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;

/** The public half of the derived key, 64 hex digits: all that the inviter keeps of the secret. */
export function publicKeyOfSecret(of: InvitationSecret): string {
  const spki = createPublicKey(privateKeyOf(of)).export({ type: 'spki', format: 'der' });
  return spki.subarray(SPKI_HEAD.length).toString('hex');
}

/** Proves the secret for one transcript, without revealing it: an Ed25519 signature, 64 bytes. */
export function proveSecret(of: InvitationSecret, transcript: Uint8Array): Uint8Array {
  return sign(null, proofText(transcript), privateKeyOf(of));
}

/** Whether `proof` was made by the holder of the secret, for this transcript. */
export function isProofOfSecret(publicKey: string, transcript: Uint8Array, proof: Uint8Array): boolean {
  const key = createPublicKey({
    key: Buffer.concat([SPKI_HEAD, Buffer.from(publicKey, 'hex')]),
    type: 'spki',
    format: 'der',
  });
  return verify(null, proofText(transcript), key, proof);
}

/**
 * HKDF-SHA256 of the secret gives the seed: the ID as salt, so that one secret under two IDs would
 * be two keys.
 */
function privateKeyOf({ id, secret }: InvitationSecret): KeyObject {
  const seed = hkdfSync('sha256', secret, Buffer.from(id, 'hex'), 'federate-invitation-key-v1', KEY_BYTES);
  return createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, Buffer.from(seed)]),
    type: 'pkcs8',
    format: 'der',
  });
}

function proofText(transcript: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('federate-invitation-proof-v1\n'), transcript]);
}
