import type { BundleVersion } from './bundle-version.ts';

/**
 * A version without its document, for comparisons. Reading every document would keep the agent busy
 * for seconds.
 */
export interface VersionMark extends Pick<BundleVersion, 'number' | 'digest' | 'receivedAt' | 'origin'> {
  readonly sequence?: bigint;
}

/** A version with its changes and without its document, for lists of versions. */
export interface VersionLine extends Omit<BundleVersion, 'bundle' | 'document'> {
  readonly sequence?: bigint;
}
