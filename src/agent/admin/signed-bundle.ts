import type { HandlersOf, signedBundleRoutes } from '../../admin/index.ts';
import type { SvidSource } from '../../mtls/index.ts';
import type { TrustBundle } from '../../spiffe/index.ts';
import type { SignedBundles } from '../signed-bundles.ts';

/** Signs our bundle at the operator's request. */
export function signedBundleHandlers({
  signedBundles,
  own,
  svid,
}: {
  readonly signedBundles: Pick<SignedBundles, 'sign'>;
  readonly own: () => TrustBundle | undefined;
  readonly svid: SvidSource | undefined;
}): HandlersOf<keyof typeof signedBundleRoutes> {
  return {
    'POST /v1/signed-bundle': async ({ body }) => {
      const { token, expiresAt } = await signedBundles.sign(body.lifetime_seconds * 1000);
      return {
        trust_domain: own()?.trustDomain ?? '',
        signer_id: svid?.current()?.id ?? '',
        expires_at: expiresAt.toISOString(),
        token,
      };
    },
  };
}
