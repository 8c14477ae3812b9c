import type { TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { readOwned } from './owned.ts';

/**
 * Returns the own trust if it is of an expected trust domain, where one is expected: the one of the
 * config, or the one that was written to before. Because another server behind the same socket
 * would get trust that is not meant for it, and lose bundles that are not ours, any other is
 * refused. Throws `MeshAdapterError` `own-trust-domain-changed`.
 */
export function expectServer(own: OwnTrust, ...expected: readonly (TrustDomain | undefined)[]): OwnTrust {
  const other = expected.find((name) => name !== undefined && name !== own.trustDomain);
  if (other === undefined) return own;
  const message = `the SPIRE server has trust domain ${own.trustDomain}, and this agent is for ${other}`;
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
    // The writer stops there and reports it. The rotation of our own roots must not wait for that.
    if (error instanceof MeshAdapterError) return undefined;
    throw error;
  }
}
