import { createHash } from 'node:crypto';
import { serializeBundle, type TrustBundle } from '../spiffe/index.ts';

/**
 * A bundle as it is served: its bytes and their tag, made once per version and never per request.
 */
export interface PublishedBundle {
  readonly body: Uint8Array<ArrayBuffer>;
  /** A strong entity tag, quoted (RFC 9110 §8.8.3). */
  readonly etag: string;
}

/**
 * Throws `TypeError` for a bundle without sequence or refresh hint: ours always have both (TDB-07,
 * TDB-10).
 */
export function publishedBundle(bundle: TrustBundle): PublishedBundle {
  if (bundle.sequence === undefined || bundle.refreshHintSeconds === undefined) {
    throw new TypeError('a published bundle has a sequence and a refresh hint');
  }
  const body = Uint8Array.from(serializeBundle(bundle));
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}

/** The entity tag that a bundle of ours is served with. Throws as `publishedBundle`. */
export function tagOfBundle(bundle: TrustBundle): string {
  return publishedBundle(bundle).etag;
}

/**
 * Whether `If-None-Match` names exactly this tag: only an exact match answers 304, weak tags and
 * `*` do not (FED-24).
 */
export function matchesTag(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch?.split(',').some((tag) => tag.trim() === etag) ?? false;
}
