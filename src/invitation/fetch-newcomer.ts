import { createSpiffeVerifier } from '../mtls/index.ts';
import { CodedError, contentDigest, parseBundle } from '../spiffe/index.ts';
import { fetchBundle, type InvitedBundle, provedBy } from '../federation/index.ts';
import { defined } from '../objects/index.ts';
import { InvitationError } from './errors.ts';
import { invitationGuard } from './guard.ts';
import type { InvitationParts } from './parts.ts';
import type { Side } from './side.ts';
import { reportedBundle } from './reported-bundle.ts';

/**
 * Fetches the newcomer's bundle from its endpoint and compares it with what the newcomer has just
 * reported. That report also authenticates the endpoint. Redirects are not followed. Rejects with
 * `InvitationError` `newcomer-unreachable`, `newcomer-endpoint-differs`,
 * `invitation-address-refused`.
 */
export async function fetchNewcomer(
  parts: InvitationParts,
  side: Side,
  signal: AbortSignal,
): Promise<Omit<InvitedBundle, 'detail'>> {
  const { clock, endpoint, guard, lookup, proxy, fetchLimits: limits, bundleLimits } = parts;
  const { trustDomain, profile, endpointUrls, webPkiCaPem } = side;
  let failure: unknown;
  for (const endpointUrl of endpointUrls) {
    try {
      const fetched = await fetchBundle({
        trustDomain,
        endpointUrl,
        profile,
        verifier: createSpiffeVerifier({ bundles: reportedBundle(parts, side.bundle), clock }),
        webPkiCaPem,
        lookup,
        proxy,
        guard: invitationGuard(endpoint.url, guard),
        limits,
        redirects: { follow: false, max: 0 },
        clock,
        signal,
      });
      if (fetched.kind !== 'document') throw new TypeError('unreachable: no tag was sent');
      const { bundle, notes } = parseBundle(trustDomain, fetched.body, bundleLimits);
      if (contentDigest(bundle) !== contentDigest(side.bundle))
        throw new InvitationError(
          'newcomer-endpoint-differs',
          `the endpoint ${endpointUrl} serves another bundle of ${trustDomain} than the newcomer reported`,
        );
      const certificates = provedBy(fetched.trace);
      return {
        bundle,
        notes,
        fetched: true,
        origin: endpointUrl,
        ...defined({ provedBy: certificates, etag: fetched.etag }),
      };
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      failure ??= error;
    }
  }
  if (failure instanceof InvitationError) throw failure;
  const { code = '', message = '' } = failure instanceof CodedError ? failure : {};
  throw new InvitationError(
    code === 'address-forbidden' ? 'invitation-address-refused' : 'newcomer-unreachable',
    `the bundle of ${trustDomain} could not be had from its own endpoint: ${message}`,
    { cause: failure },
  );
}
