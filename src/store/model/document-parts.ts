const KEYS = '"keys":[';

/**
 * SQL: the whole document of a row of `bundle_version`; null where the keys it refers to are gone.
 */
export const DOCUMENT_SQL =
  '(document_head || (SELECT content FROM bundle_keys WHERE bundle_keys.id = keys_id))';

/**
 * A canonical document in two parts: what stands before its list of keys, which changes with every
 * number, and the list itself, which is stored once. Both together are the document, byte by byte.
 */
export function documentParts(document: string): { readonly head: string; readonly keys: string } {
  const at = Math.max(0, document.indexOf(KEYS));
  return { head: document.slice(0, at), keys: document.slice(at) };
}
