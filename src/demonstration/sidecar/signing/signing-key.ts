import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { readRegularText, readSecretText } from '../../../platform/index.ts';
import { SidecarError } from '../errors.ts';

/** As the registry of RFC 9421 names them. */
export type SigningAlgorithm = 'hmac-sha256' | 'ecdsa-p256-sha256' | 'ed25519';

/** Where a key is, and what it is for. */
export interface SigningKeyFile {
  /** The `keyid` of signatures. */
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly file: string;
}

export interface SigningKey {
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly key: KeyObject;
}

const MAX_FILE_BYTES = 64 * 1024;
/** A key that is shorter than its hash is weaker than it (RFC 2104 §3). */
const LEAST_SECRET_BYTES = 32;
const MOST_SECRET_BYTES = 1024;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/**
 * Reads a key that signs: for `hmac-sha256` at least 32 bytes in base64, else a private key as PEM.
 * Its file may be opened by its owner only. `purpose` `verify` reads the secret of `hmac-sha256`, and
 * a public key of the others, whose file may be open. Rejects with `SidecarError`
 * `signing-key-unusable`; no message has a part of the key.
 */
export async function readSigningKey(
  { id, algorithm, file }: SigningKeyFile,
  purpose: 'sign' | 'verify',
): Promise<SigningKey> {
  const isPublic = purpose === 'verify' && algorithm !== 'hmac-sha256';
  let text: string;
  try {
    text = await (isPublic ? readRegularText : readSecretText)(file, MAX_FILE_BYTES);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unusable(file, why, cause);
  }
  const key = algorithm === 'hmac-sha256' ? secretOf(text, file) : keyOf(text, isPublic, file);
  const kind = key.asymmetricKeyType;
  const isRight =
    algorithm === 'hmac-sha256' ||
    (algorithm === 'ed25519' && kind === 'ed25519') ||
    (algorithm === 'ecdsa-p256-sha256' &&
      kind === 'ec' &&
      key.asymmetricKeyDetails?.namedCurve === 'prime256v1');
  if (!isRight) throw unusable(file, `it is not a key for ${algorithm}`);
  return { id, algorithm, key };
}

function secretOf(text: string, file: string): KeyObject {
  const written = text.trim();
  const bytes = BASE64.test(written) ? Buffer.from(written, 'base64') : Buffer.alloc(0);
  if (bytes.length < LEAST_SECRET_BYTES || bytes.length > MOST_SECRET_BYTES)
    throw unusable(
      file,
      `a secret is ${LEAST_SECRET_BYTES} to ${MOST_SECRET_BYTES} bytes in base64, as \`openssl rand -base64 32\` writes it`,
    );
  return createSecretKey(bytes);
}

function keyOf(text: string, isPublic: boolean, file: string): KeyObject {
  // Node makes a public key of a private one, which must not be at the verifying side.
  if (isPublic && text.includes('PRIVATE KEY'))
    throw unusable(file, 'it is a private key: the side that verifies has the public one');
  try {
    return isPublic ? createPublicKey(text) : createPrivateKey(text);
  } catch {
    // The reason of OpenSSL names nothing that helps, and might quote the file.
    throw unusable(file, `it is not a ${isPublic ? 'public' : 'private'} key as PEM`);
  }
}

function unusable(file: string, why: string, cause?: unknown): SidecarError {
  return new SidecarError(
    'signing-key-unusable',
    `the key file ${JSON.stringify(file)} cannot be used: ${why}`,
    cause === undefined ? {} : { cause },
  );
}
