import {
  type BundleSource,
  type EndpointProfile,
  type TrustBundle,
  type TrustDomain,
  trustDomainOf,
} from '../../spiffe/index.ts';
import { FederationError } from './errors.ts';

/**
 * The trust domain whose bundle an endpoint, or a signature, is verified with; undefined where Web
 * PKI does it.
 */
export function endpointTrustDomain(profile: EndpointProfile): TrustDomain | undefined {
  if (profile.kind === 'https_web') return undefined;
  return trustDomainOf(profile.kind === 'https_spiffe' ? profile.endpointId : profile.signerId);
}

/**
 * Why no connection to the endpoint can be authenticated at `now`: the bundle of its trust domain
 * is missing, or has no X.509 root within its validity (FED-04, FED-58). Undefined when one can,
 * and for `https_web`.
 */
export function missingEndpointTrust(
  profile: EndpointProfile,
  bundles: BundleSource,
  now: Date,
): string | undefined {
  const name = endpointTrustDomain(profile);
  if (name === undefined) return undefined;
  const bundle = bundles.bundleFor(name);
  if (!bundle) return `no bundle of ${name} is held, and its endpoint can only be verified with one`;
  if (hasUsableRoot(bundle, now)) return undefined;
  const distrusted = bundles.distrustedKeys?.(name)?.size ?? 0;
  const why = distrusted === 0 ? '' : ` besides what you distrust`;
  return `the bundle of ${name} has no usable X.509 root${why}, and its endpoint can only be verified with one`;
}

/** Whether some X.509 root of a bundle is within its validity. */
export function hasUsableRoot(bundle: TrustBundle, now: Date): boolean {
  return bundle.x509Authorities.some(({ notBefore, notAfter }) => notBefore <= now && now <= notAfter);
}

/**
 * How many other trust domains stand between us and the bundle of `trustDomain` when `profile`
 * fetches it. 0 where it serves itself or Web PKI vouches, 1 where another one serves it, and so
 * on. Throws `FederationError` `serving-cycle` when the chain comes back to `trustDomain` (FED-33).
 */
export function servingDepth(
  trustDomain: TrustDomain,
  profile: EndpointProfile,
  profileOf: (trustDomain: TrustDomain) => EndpointProfile | undefined,
): number {
  const chain = [trustDomain];
  let name = endpointTrustDomain(profile);
  while (name !== undefined && name !== chain.at(-1)) {
    if (chain.includes(name)) {
      throw new FederationError(
        'serving-cycle',
        `the bundles would serve each other in a circle: ${[...chain, name].join(' is served by ')}`,
      );
    }
    chain.push(name);
    const next = profileOf(name);
    name = next && endpointTrustDomain(next);
  }
  return chain.length - 1;
}
