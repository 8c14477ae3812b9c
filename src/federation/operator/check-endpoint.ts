import {
  type BundleSource,
  certificatesFromPem,
  CodedError,
  type EndpointProfile,
  type TrustDomain,
  trustDomainOf,
} from '../../spiffe/index.ts';
import { FederationError } from '../fetch/errors.ts';
import { endpointTrustDomain, servingDepth } from '../fetch/serving.ts';
import { parseSourceUrl } from '../fetch/source-url.ts';

/** What the check takes. */
export interface EndpointCheckParts {
  /** The bundles that endpoints are verified with. */
  readonly endpointBundles: BundleSource;
}

/** The parameters of a relationship's endpoint (FED-03, FED-04). */
export interface EndpointParameters {
  readonly trustDomain: TrustDomain;
  readonly endpointUrl: string;
  readonly profile: EndpointProfile;
  readonly webPkiCaPem?: string | undefined;
}

/**
 * Checks whether a relationship can have this endpoint next to the `known` ones. Returns its
 * serving depth. Throws `FederationError` `relationship-invalid` (FED-08),
 * `endpoint-trust-domain-unknown` (FED-31), `serving-cycle` (FED-33).
 */
export function checkEndpoint(
  { endpointBundles }: EndpointCheckParts,
  { trustDomain, endpointUrl, profile, webPkiCaPem }: EndpointParameters,
  known: ReadonlyMap<string, { readonly profile: EndpointProfile }>,
): number {
  try {
    parseSourceUrl(endpointUrl, profile);
    if (webPkiCaPem !== undefined) certificatesFromPem(webPkiCaPem);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const message = `a relationship with ${trustDomain} is not possible: ${error.message}`;
    throw new FederationError('relationship-invalid', message, { cause: error });
  }
  if (profile.kind === 'signed_bundle' && trustDomainOf(profile.signerId) !== trustDomain) {
    throw new FederationError(
      'relationship-invalid',
      `the bundle of ${trustDomain} must be signed by an identity of ${trustDomain} itself, and ${profile.signerId} is not one`,
    );
  }
  if (webPkiCaPem !== undefined && profile.kind !== 'https_web') {
    throw new FederationError(
      'relationship-invalid',
      `a private CA for Web PKI needs the profile https_web, and the profile of ${trustDomain} is ${profile.kind}`,
    );
  }
  const depth = servingDepth(trustDomain, profile, (name) => known.get(name)?.profile);
  const server = endpointTrustDomain(profile);
  if (server !== undefined && server !== trustDomain && !endpointBundles.bundleFor(server)) {
    throw new FederationError(
      'endpoint-trust-domain-unknown',
      `the endpoint of ${trustDomain} belongs to ${server}, whose bundle is not held: federate with ${server} first`,
    );
  }
  return depth;
}
