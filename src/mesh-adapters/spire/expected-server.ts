import type { TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { readOwned } from './owned.ts';

/**
 * The own trust, if it is of one of the trust domains that are expected, where any is: the one of
 * the config, the one that was written to before. A server of another one behind the same socket
 * would be given trust that is not meant for it, and lose bundles that are not ours. Throws
 * `MeshAdapterError` `own-trust-domain-changed`.
 */
export function expectServer(own: OwnTrust, ...expected: readonly (TrustDomain | undefined)[]): OwnTrust {
  const other = expected.find((name) => name !== undefined && name !== own.trustDomain);
  if (other === undefined) return own;
  const message = `the SPIRE server stands for ${own.trustDomain}, and this agent for ${other}`;
  throw new MeshAdapterError('own-trust-domain-changed', message);
}

/**
 * The trust domain of the server that was written to before; undefined where none was, or where the
 * note of it cannot be read.
 */
export async function notedServer(ownedFile: string): Promise<TrustDomain | undefined> {
  try {
    return (await readOwned(ownedFile)).server;
  } catch (error) {
    // Who writes stops there and tells it. That our own roots rotate must not wait for that.
    if (error instanceof MeshAdapterError) return undefined;
    throw error;
  }
}
