import type { X509Authority } from '../../spiffe/index.ts';

/** What another product has to know of us to trust our mesh. */
export interface ExportedTrust {
  readonly trustDomain: string;
  readonly endpointUrl: string;
  readonly profile: 'https_web' | 'https_spiffe';
  /** With `https_spiffe` only. */
  readonly endpointId: string | undefined;
  /** Our bundle now, as a SPIFFE document. */
  readonly document: string;
  readonly roots: readonly X509Authority[];
}

/**
 * Ready configuration of another product, with comments that say where it goes. Each target is one
 * file of this folder.
 */
export type ExportTarget = (trust: ExportedTrust) => string | Promise<string>;

/** A text as a block of lines, each with `indent` before it. */
export function indented(text: string, indent: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `${indent}${line}`)
    .join('\n');
}
