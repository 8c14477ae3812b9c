import { createSpiffeVerifier } from '../../mtls/index.ts';
import {
  BundleSet,
  type BundleSource,
  CodedError,
  isKeyPinned,
  matchPin,
  parseBundle,
  type Pin,
  pinOfBundle,
  pinOfKey,
  type TrustBundle,
} from '../../spiffe/index.ts';
import type { BootstrapProof } from '../../store/index.ts';
import { FederationError, FetchError } from '../fetch/errors.ts';
import { unprovedDocument } from '../signed-bundle/signed-bundle.ts';
import type { OfferedChains } from '../trust/offered-chains.ts';
import type { BootstrapRequest, EstablishParts } from './first-trust.ts';

/**
 * Gives the roots that check the signature of a first signed bundle: those roots in it that the pin
 * names.
 */
export function pinnedBundles(
  { bundleLimits, trusted }: EstablishParts,
  request: BootstrapRequest,
  body: Uint8Array,
): BundleSource {
  const document = request.profile.kind === 'signed_bundle' ? unprovedDocument(body) : undefined;
  if (!document || request.bootstrap.kind !== 'pin') return new BundleSet([]);
  const { bundle } = parseBundle(request.trustDomain, document, bundleLimits);
  return new BundleSet([trusted.filter(vouchedBy(request, bundle, request.bootstrap.pin).bundle)]);
}

/**
 * The bundle with those of its roots that a pin vouches for. Throws `FederationError`
 * `pin-mismatch` where there is none.
 */
function vouchedBy({ trustDomain }: BootstrapRequest, offered: TrustBundle, pin: Pin) {
  const named = matchPin(offered, pin);
  if (named === undefined) {
    const keys = offered.x509Authorities.map(({ keyFingerprint }) => pinOfKey(keyFingerprint));
    throw new FederationError(
      'pin-mismatch',
      `the bundle of ${trustDomain} does not match the pin ${pin}: its own pin is ${pinOfBundle(offered)}, those of its root keys are ${keys.join(', ') || 'none'}`,
    );
  }
  const x509Authorities = offered.x509Authorities.filter(
    (authority) => named === 'bundle' || isKeyPinned(authority, pin),
  );
  return { named, bundle: { ...offered, x509Authorities } };
}

/**
 * Gives the proof of the fetched bundle. A pin of the whole bundle vouches for all of it. A pin of
 * a root's key vouches for that root only. Over `https_spiffe` the endpoint then has to prove
 * itself by that very root, and vouches for the rest, as at every later poll. Over `https_web` Web
 * PKI vouches for the rest.
 */
export function prove(
  { clock, trusted, strictKeyUsage }: EstablishParts,
  request: BootstrapRequest,
  offered: TrustBundle,
  chains: OfferedChains | undefined,
): BootstrapProof {
  const { profile, bootstrap, endpointUrl } = request;
  if (bootstrap.kind !== 'pin') {
    return bootstrap.caPem === undefined
      ? { kind: 'web-pki', detail: endpointUrl }
      : { kind: 'web-pki-private-ca', detail: endpointUrl };
  }
  const { pin } = bootstrap;
  const { named, bundle } = vouchedBy(request, offered, pin);
  if (profile.kind === 'signed_bundle')
    return { kind: 'signed-bundle', detail: `${pin}, signed by ${profile.signerId}` };
  if (chains) {
    const bundles = new BundleSet([trusted.filter(bundle)]);
    try {
      chains.verifyWith(createSpiffeVerifier({ bundles, clock, strictKeyUsage }));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      throw new FetchError(
        'svid-refused',
        `the endpoint offered what the pin names, but presented no X509-SVID under ${named === 'bundle' ? 'it' : 'that root'}: ${error.message}`,
        { cause: error },
      );
    }
  }
  const detail = profile.kind === 'https_web' ? `${pin} and Web PKI` : pin;
  return { kind: named === 'bundle' ? 'bundle-pin' : 'key-pin', detail };
}
