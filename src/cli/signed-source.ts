import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from './terminal.ts';

/** What `--signed` says about the source of a peer's bundle. */
export interface SignedOptions {
  readonly peer?: string | undefined;
  readonly signed?: boolean | undefined;
  readonly signer?: string | undefined;
}

/** Help texts of the two options, which `add` and `change` share. */
export const SIGNED_HELP =
  "the peer's bundle is a signed one, from any carrier: a URL, or a file of the agent's machine";
export const SIGNER_HELP = 'signed: the SPIFFE ID whose signature counts';

/**
 * Gives the parameters of a signed source; undefined without `--signed`. A path becomes the URL of
 * a file, because the agent reads it. Throws `UsageError`.
 */
export function signedSource(options: SignedOptions): { url?: string; signerId: string } | undefined {
  if (options.signed !== true) {
    if (options.signer !== undefined) throw new UsageError('--signer goes with --signed');
    return undefined;
  }
  if (options.signer === undefined)
    throw new UsageError('--signed needs --signer, the SPIFFE ID whose signature counts');
  const { peer } = options;
  if (peer === undefined) return { signerId: options.signer };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(peer)) return { url: peer, signerId: options.signer };
  const path = resolve(peer);
  if (!existsSync(path)) throw new UsageError(`--peer ${peer} is neither a URL nor a file that is there`);
  return { url: pathToFileURL(path).href, signerId: options.signer };
}
