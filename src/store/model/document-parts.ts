const KEYS = '"keys":[';

/**
 * SQL for the whole document of a row of `bundle_version`; null where the keys it refers to are
 * gone.
 */
export const DOCUMENT_SQL =
  '(document_head || (SELECT content FROM bundle_keys WHERE bundle_keys.id = keys_id))';

/**
 * A canonical document in two parts. The head changes with every sequence; the list of keys is
 * stored once. Together they are the document, byte by byte.
 */
export function documentParts(document: string): { readonly head: string; readonly keys: string } {
  const at = Math.max(0, document.indexOf(KEYS));
  return { head: document.slice(0, at), keys: document.slice(at) };
}
