import { keyNamesOfAuthority } from './authority-key.ts';
import type { TrustBundle, X509Authority } from './bundle.ts';
import { contentDigest } from './bundle-diff.ts';
import { CodedError } from '../../errors/index.ts';

declare const pinBrand: unique symbol;

/**
 * `sha256:` and 64 lower-case hex digits: of a bundle's content, or of a root's public key. Made
 * only by parsing.
 */
export type Pin = string & { readonly [pinBrand]: true };

/** A text is not a pin. */
export class PinError extends CodedError<'pin-malformed'> {}

/** Reads a pin. Throws `PinError`: `pin-malformed`. */
export function parsePin(text: string): Pin {
  if (!isPin(text)) {
    throw new PinError(
      'pin-malformed',
      `a pin is sha256: and 64 lower-case hex digits, unlike ${JSON.stringify(text.slice(0, 100))}`,
    );
  }
  return text;
}

function isPin(text: string): text is Pin {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** The pin of a bundle's content (`contentDigest`): the trust domain and every authority. */
export function pinOfBundle(bundle: TrustBundle): Pin {
  return parsePin(`sha256:${contentDigest(bundle)}`);
}

/** The pin of a public key, from its `keyFingerprint`. */
export function pinOfKey(keyFingerprint: string): Pin {
  return parsePin(`sha256:${keyFingerprint}`);
}

/**
 * What a pin names in a bundle: the whole content, the key of one of its X.509 authorities, or
 * nothing. A key pin says nothing about the bundle's other authorities, so the bundle must then
 * come over a connection proven by that key.
 */
export function matchPin(bundle: TrustBundle, pin: Pin): 'bundle' | 'key' | undefined {
  if (pinOfBundle(bundle) === pin) return 'bundle';
  return bundle.x509Authorities.some((authority) => isKeyPinned(authority, pin)) ? 'key' : undefined;
}

/** Whether a pin names the key of an authority, also by the digest of another encoding. */
export function isKeyPinned(authority: X509Authority, pin: Pin): boolean {
  return keyNamesOfAuthority(authority).some((name) => pin === pinOfKey(name));
}
