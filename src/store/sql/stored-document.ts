import { contentDigest, parseBundle, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { StoreError } from '../model/errors.ts';

// The content was bounded when it was stored. Only the nesting is limited here.
const LIMITS = { maxBytes: 2 ** 30, maxEntries: 1_000_000, maxDepth: 16 };

/**
 * Parses a document of the store to a bundle. Throws `StoreError` `store-corrupt` when it cannot be
 * read or does not match the given digest. `which` begins the sentence: `version 3 of
 * istio.example`.
 */
export function readStoredDocument(
  trustDomain: TrustDomain,
  document: Uint8Array,
  which: string,
  digest?: string,
): TrustBundle {
  let bundle: TrustBundle;
  try {
    ({ bundle } = parseBundle(trustDomain, document, LIMITS, 'readable'));
  } catch (error) {
    throw new StoreError('store-corrupt', `${which} in the store cannot be read`, { cause: error });
  }
  if (digest !== undefined && contentDigest(bundle) !== digest)
    throw new StoreError('store-corrupt', `${which} in the store is not the content that its digest names`);
  return bundle;
}
