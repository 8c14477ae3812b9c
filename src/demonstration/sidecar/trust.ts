import { createSpiffeVerifier, type PeerVerifier } from '../../mtls/index.ts';
import { type Clock, Listeners, type Log } from '../../platform/index.ts';
import {
  BundleSet,
  bundleOf,
  CodedError,
  certificatesFromPem,
  x509AuthorityFromDer,
} from '../../spiffe/index.ts';
import type { SdsClient, SdsSecret, UriSanMatcher } from '../../workload-api/index.ts';
import { SidecarError } from './errors.ts';
import { createMergedVerifier } from './merged-verifier.ts';
import { checkMatchers, letsIn, matchedText } from './uri-san.ts';

/**
 * The trust that the mesh hands to this sidecar, as a verifier that changes with it. After an
 * unusable secret the last good one stays.
 */
export class MeshTrust implements PeerVerifier {
  readonly #client: SdsClient;
  readonly #resource: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Listeners();
  #verifier: PeerVerifier | undefined;

  constructor(options: {
    readonly client: SdsClient;
    readonly resource: string;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#client = options.client;
    this.#resource = options.resource;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#client.onChange((name) => {
      if (name === this.#resource) this.#take();
    });
    this.#take();
  }

  /** Calls back after each change. */
  readonly onChange = this.#listeners.add;

  /**
   * Throws what the verifier of the secret throws, and `SidecarError` `no-trust` before there is
   * one.
   */
  verify(...chain: Parameters<PeerVerifier['verify']>): ReturnType<PeerVerifier['verify']> {
    if (!this.#verifier)
      throw new SidecarError('no-trust', 'the mesh has not sent this sidecar its trust yet');
    return this.#verifier.verify(...chain);
  }

  #take(): void {
    const secret = this.#client.current(this.#resource);
    if (!secret) return;
    try {
      this.#verifier = verifierFor(secret, this.#clock);
    } catch (error) {
      this.#log.error('trust from SDS not usable, the last one stays', { error });
      return;
    }
    this.#log.info('trust received', { kind: secret.kind, trust_domains: trustDomainsIn(secret) });
    this.#listeners.notify();
  }
}

/**
 * The verifier that a secret describes: merged semantics, or per trust domain. Throws
 * `SidecarError` `trust-malformed` for a secret that no peer can be checked against, which the
 * sidecar then refuses (NACK).
 */
export function verifierFor(secret: SdsSecret, clock: Clock): PeerVerifier {
  switch (secret.kind) {
    case 'merged-validation':
      return createMergedVerifier({ ...secret, clock });
    case 'spiffe-validation': {
      const allowed = secret.allowedUriSans ?? [];
      checkMatchers(allowed);
      return restricted(createSpiffeVerifier({ bundles: bundlesIn(secret.trustDomains), clock }), allowed);
    }
    case 'certificate':
      throw new SidecarError(
        'trust-malformed',
        `the secret ${secret.name} is a certificate, not the roots to trust`,
      );
  }
}

function bundlesIn(
  trustDomains: Extract<SdsSecret, { kind: 'spiffe-validation' }>['trustDomains'],
): BundleSet {
  return new BundleSet(
    trustDomains.map(({ name, trustBundlePem }) => {
      try {
        // An empty bundle is a revocation: its peers are refused, and it does not block changes of
        // other bundles.
        const ders = trustBundlePem.trim() === '' ? [] : certificatesFromPem(trustBundlePem);
        return bundleOf(name, ders.map(x509AuthorityFromDer));
      } catch (cause) {
        if (!(cause instanceof CodedError)) throw cause;
        throw new SidecarError('trust-malformed', `the roots of ${name} cannot be read: ${cause.message}`, {
          cause,
        });
      }
    }),
  );
}

/**
 * Wraps `verifier` so that only IDs pass that a matcher admits; all of them when none is listed, as
 * in Envoy.
 */
function restricted(verifier: PeerVerifier, allowed: readonly UriSanMatcher[]): PeerVerifier {
  if (allowed.length === 0) return verifier;
  return {
    verify(chain, peerRole) {
      const peer = verifier.verify(chain, peerRole);
      if (!letsIn(allowed, peer.id))
        throw new SidecarError('id-not-accepted', `this mesh accepts no peer with the ID ${peer.id}`);
      return peer;
    },
  };
}

function trustDomainsIn(secret: SdsSecret): readonly string[] {
  if (secret.kind === 'spiffe-validation') return secret.trustDomains.map((each) => each.name);
  if (secret.kind === 'merged-validation') return secret.allowedUriSans.map(matchedText);
  return [];
}
