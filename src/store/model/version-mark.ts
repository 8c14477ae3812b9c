import { defined } from '../../objects/index.ts';
import type { BundleVersion } from './bundle-version.ts';

/**
 * A version without its document, for comparisons. Because reading every document would keep the
 * agent busy for seconds.
 */
export interface VersionMark extends Pick<BundleVersion, 'number' | 'digest' | 'receivedAt' | 'origin'> {
  readonly sequence?: bigint;
}

export function markOf({ number, digest, receivedAt, origin, bundle }: BundleVersion): VersionMark {
  const { sequence } = bundle;
  return { number, digest, receivedAt, origin, ...defined({ sequence }) };
}

/** A version with its changes and without its document, for lists of versions. */
export interface VersionLine extends Omit<BundleVersion, 'bundle' | 'document'> {
  readonly sequence?: bigint;
}

export function lineOf(version: BundleVersion): VersionLine {
  const { bundle, document: _, ...rest } = version;
  const { sequence } = bundle;
  return { ...rest, ...defined({ sequence }) };
}
