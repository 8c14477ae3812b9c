import { createHash } from 'node:crypto';
import { parseDictionary, serializeDictionary } from 'structured-headers';
import { SidecarError } from '../errors.ts';

/** The algorithms of RFC 9530 that are not broken, and their names in Node. */
const HASHES = new Map([
  ['sha-256', 'sha256'],
  ['sha-512', 'sha512'],
]);

/** The value of `content-digest` for this content (RFC 9530 §2). */
export function contentDigest(content: Buffer): string {
  const digest = createHash('sha256').update(content).digest();
  return serializeDictionary(new Map([['sha-256', [digest, new Map()]]]));
}

/**
 * Compares the content with each digest of a `content-digest` that is of a known algorithm. Throws
 * `SidecarError` `content-digest-missing` where there is none, `content-digest-malformed`,
 * `content-digest-mismatch`.
 */
export function checkContentDigest(header: string | readonly string[] | undefined, content: Buffer): void {
  const known = header === undefined ? [] : digestsIn(String(header));
  if (known.length === 0)
    throw new SidecarError(
      'content-digest-missing',
      'the request has no "content-digest" by sha-256 or sha-512',
    );
  for (const [hash, digest] of known) {
    if (!createHash(hash).update(content).digest().equals(digest))
      throw new SidecarError(
        'content-digest-mismatch',
        'the content of the request is not the one of its "content-digest"',
      );
  }
}

function digestsIn(header: string): (readonly [hash: string, digest: Buffer])[] {
  try {
    return [...parseDictionary(header)].flatMap(([name, [value]]) => {
      const hash = HASHES.get(name);
      if (hash === undefined) return [];
      if (!(value instanceof ArrayBuffer)) throw new TypeError(`${name} is not a byte sequence`);
      return [[hash, Buffer.from(value)] as const];
    });
  } catch (cause) {
    throw new SidecarError('content-digest-malformed', 'the "content-digest" of the request cannot be read', {
      cause,
    });
  }
}
