import { createHash } from 'node:crypto';
import type { AnyMessage } from '../grpc/index.ts';
import { encodeSecret, type SdsSecret } from './secret.ts';

/** A resource in its encoded form, and the version of this content. */
export interface EncodedResource {
  readonly resource: AnyMessage;
  readonly version: string;
}

// A thousand proxies that ask for the same secret cost one encoding.
const encoded = new WeakMap<SdsSecret, EncodedResource>();

/** Encodes the secret. A server of secrets makes a new object for new content. */
export function encodedSecret(secret: SdsSecret): EncodedResource {
  let found = encoded.get(secret);
  if (!found) {
    const resource = encodeSecret(secret);
    found = { resource, version: versionOf([resource]) };
    encoded.set(secret, found);
  }
  return found;
}

/**
 * Because the version is derived from the content, equal content never has a new version, even
 * after a restart.
 */
export function versionOf(resources: readonly AnyMessage[]): string {
  const hash = createHash('sha256');
  for (const { value } of resources) hash.update(value);
  return hash.digest('hex').slice(0, 16);
}
