import { createHash } from 'node:crypto';
import type { AnyMessage } from '../grpc/index.ts';
import { encodeSecret, type SdsSecret } from './secret.ts';

/** A secret as it travels, and what it is called in this state. */
export interface EncodedSecret {
  readonly resource: AnyMessage;
  readonly version: string;
}

// A thousand proxies that ask for the same secret cost one encoding.
const encoded = new WeakMap<SdsSecret, EncodedSecret>();

/** The secret for the wire. Whoever hands out secrets makes a new object for a new content. */
export function encodedSecret(secret: SdsSecret): EncodedSecret {
  let found = encoded.get(secret);
  if (!found) {
    const resource = encodeSecret(secret);
    found = { resource, version: versionOf([resource]) };
    encoded.set(secret, found);
  }
  return found;
}

/**
 * A version is what the content is, so equal content is never a new version, not even after a
 * restart.
 */
export function versionOf(resources: readonly AnyMessage[]): string {
  const hash = createHash('sha256');
  for (const { value } of resources) hash.update(value);
  return hash.digest('hex').slice(0, 16);
}
