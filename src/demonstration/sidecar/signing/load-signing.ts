import type { Clock, Random } from '../../../platform/index.ts';
import type { SpiffeId } from '../../../spiffe/index.ts';
import type { RequestSigner, SigningSettings } from './request-signer.ts';
import type { RequestVerifier, VerifyingSettings } from './request-verifier.ts';
import { readSigningKey, type SigningKeyFile } from './signing-key.ts';

/** A key file of the verifying side, and who may sign with that key; left out: every caller. */
export interface AcceptedKeyFile extends SigningKeyFile {
  readonly callers?: readonly SpiffeId[];
}

/**
 * Makes a signer from a key file. Loads the code for signatures, which a sidecar without them does
 * not hold in memory. Rejects with `SidecarError` `signing-key-unusable`.
 */
export async function loadRequestSigner(
  key: SigningKeyFile,
  settings: SigningSettings,
  parts: { readonly clock: Clock; readonly random: Random },
): Promise<RequestSigner> {
  const { RequestSigner: Signer } = await import('./request-signer.ts');
  return new Signer(await readSigningKey(key, 'sign'), settings, parts);
}

/** Makes a verifier from key files, as `loadRequestSigner` makes a signer. */
export async function loadRequestVerifier(
  keys: readonly AcceptedKeyFile[],
  settings: VerifyingSettings,
  clock: Clock,
): Promise<RequestVerifier> {
  const { RequestVerifier: Verifier } = await import('./request-verifier.ts');
  const accepted = keys.map(async ({ callers, ...file }) => ({
    ...(await readSigningKey(file, 'verify')),
    ...(callers && { callers }),
  }));
  return new Verifier(await Promise.all(accepted), settings, clock);
}
