import { contentDigest, parseBundle, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { StoreError } from '../model/errors.ts';

// What is in the store was bounded when it came in; here only the nesting keeps its limit.
const LIMITS = { maxBytes: 2 ** 30, maxEntries: 1_000_000, maxDepth: 16 };

/**
 * A document of the store as a bundle. Throws `StoreError` `store-corrupt` when it cannot be read
 * or, where a digest is given, is not the content that was written. `which` begins the sentence:
 * `version 3 of istio.example`.
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
