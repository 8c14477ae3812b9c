import type { BundleVersion } from './bundle-version.ts';

/** A version without its document: what comparisons go by, because reading every document would keep the agent busy for seconds. */
export interface VersionMark extends Pick<BundleVersion, 'number' | 'digest' | 'receivedAt' | 'origin'> {
  readonly sequence?: bigint;
}

export function markOf({ number, digest, receivedAt, origin, bundle }: BundleVersion): VersionMark {
  const { sequence } = bundle;
  return { number, digest, receivedAt, origin, ...(sequence === undefined ? {} : { sequence }) };
}
