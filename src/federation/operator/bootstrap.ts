import { FederationError } from '../fetch/errors.ts';
import { parseBundleFile } from './bundle-file.ts';
import { firstFromEndpoint } from './first-fetch.ts';
import type {
  Bootstrap,
  BootstrapRequest,
  EstablishParts,
  FirstTrust,
  InvitedBundle,
} from './first-trust.ts';
import { refuseUnusable } from './usable-roots.ts';

/**
 * Gives the first bundle of a peer, proved by what the operator gave: the bundle itself, a pin, or
 * Web PKI. Changes nothing. Throws `FederationError` `bootstrap-required` where nothing would prove it,
 * `bootstrap-bundle-invalid`, `bootstrap-bundle-unusable`, `bootstrap-fetch-failed`,
 * `pin-mismatch`.
 */
export async function establishTrust(
  parts: EstablishParts,
  request: BootstrapRequest,
  signal: AbortSignal,
): Promise<FirstTrust> {
  const { bootstrap, profile, endpointUrl, moreEndpointUrls = [] } = request;
  if (bootstrap.kind === 'web-pki' && profile.kind !== 'https_web') {
    throw new FederationError(
      'bootstrap-required',
      `an ${profile.kind} source of ${request.trustDomain} needs proof for its first bundle: give the bundle as a file, or a pin from its operator`,
    );
  }
  const first =
    bootstrap.kind === 'bundle'
      ? fromDocument(parts, request, bootstrap)
      : bootstrap.kind === 'invitation'
        ? fromInvitation(bootstrap.first)
        : await firstFromEndpoint(parts, request, [endpointUrl, ...moreEndpointUrls], signal);
  // What the operator distrusts does not count here either.
  refuseUnusable({ ...first, bundle: parts.trusted.filter(first.bundle) }, profile, parts.clock.now());
  return first;
}

function fromInvitation({ detail, ...first }: InvitedBundle): FirstTrust {
  return { ...first, proof: { kind: 'invitation', detail } };
}

function fromDocument(
  { bundleLimits }: EstablishParts,
  { trustDomain }: BootstrapRequest,
  { document, name = 'given by the operator' }: Extract<Bootstrap, { kind: 'bundle' }>,
): FirstTrust {
  const parsed = parseBundleFile(trustDomain, document, bundleLimits);
  return { ...parsed, proof: { kind: 'bundle-file', detail: name }, origin: name, fetched: false };
}
