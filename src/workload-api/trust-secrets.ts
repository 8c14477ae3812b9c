import { pathOf, parseSpiffeId, pemFromCertificates, SpiffeIdError, trustDomainOf } from '../spiffe/index.ts';
import type { TrustBundle, TrustDomain } from '../spiffe/index.ts';
import type { SdsSecret } from './secret.ts';
import type { WorkloadState } from './workload-state.ts';

/** The names of SPIRE's agent, and one of our own. */
export const SECRET_NAMES = {
  /** The SVID with its key. */
  identity: 'default',
  /** The bundle of our own trust domain. */
  own: 'ROOTCA',
  /** The bundle of every trust domain, each for its own peers. */
  all: 'ALL',
  /**
   * Our own roots and a narrowed anchor for each foreign one, in one pool, for proxies without a
   * SPIFFE validator.
   */
  merged: 'MERGED',
} as const;

/** The parts that are computed in advance for the secrets of a state. */
export interface SecretParts {
  readonly state: WorkloadState;
  /** PEM of the narrowed anchors of each foreign trust domain. */
  readonly anchors: ReadonlyMap<TrustDomain, string>;
  /** PEM of a root whose key no one has. */
  readonly nobody: string;
}

/**
 * The secrets of one state, by name. `spiffe://td` exists for every trust domain. For an untrusted
 * one it lists a root whose key no one has. Because Envoy keeps the last secret when one is
 * removed, it needs a secret that admits no peer.
 */
export class TrustSecrets {
  readonly #parts: SecretParts;
  readonly #made = new Map<string, SdsSecret | undefined>();

  constructor(parts: SecretParts) {
    this.#parts = parts;
  }

  /** The secret of that name; the same object each time. */
  get(name: string): SdsSecret | undefined {
    if (this.#made.has(name)) return this.#made.get(name);
    const secret = this.#make(name);
    // Names come from outside, so those of unknown trust domains are not remembered.
    if (secret && this.#made.size < MAX_REMEMBERED) this.#made.set(name, secret);
    return secret;
  }

  /**
   * All secrets, for a proxy that names none: each trust domain and the SVID by its ID, as SPIRE's
   * agent does.
   */
  names(): readonly string[] {
    const { own, foreign, identity } = this.#parts.state;
    const domains = [...(own ? [own] : []), ...foreign].map(({ trustDomain }) => `spiffe://${trustDomain}`);
    return typeof identity === 'string' ? domains : [identity.id, ...domains];
  }

  #make(name: string): SdsSecret | undefined {
    const { own, foreign, identity } = this.#parts.state;
    switch (name) {
      case SECRET_NAMES.identity:
        return this.#identity(name);
      case SECRET_NAMES.own:
        return own && perDomain(name, [own]);
      case SECRET_NAMES.all:
        return own && perDomain(name, [own, ...foreign]);
      case SECRET_NAMES.merged:
        return own && this.#merged(name, own);
      default:
        if (typeof identity !== 'string' && name === identity.id) return this.#identity(name);
        return this.#oneDomain(name);
    }
  }

  #identity(name: string): SdsSecret | undefined {
    const { identity } = this.#parts.state;
    if (typeof identity === 'string') return undefined;
    return {
      name,
      kind: 'certificate',
      chainPem: pemFromCertificates(identity.certificateChain),
      keyPem: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }

  #merged(name: string, own: TrustBundle): SdsSecret | undefined {
    if (own.x509Authorities.length === 0) return undefined;
    return {
      name,
      kind: 'merged-validation',
      trustedCaPem: [rootsPem(own), ...this.#parts.anchors.values()].join(''),
      // Envoy accepts any of all the names that it gets, so names from here would admit peers that
      // its own config does not.
      allowedUriSans: [],
    };
  }

  #oneDomain(name: string): SdsSecret | undefined {
    const { own, foreign } = this.#parts.state;
    const trustDomain = trustDomainNamed(name);
    // Until our own mesh has reported, it is unknown which trust domains are untrusted.
    if (trustDomain === undefined || !own) return undefined;
    const bundle = [own, ...foreign].find((each) => each.trustDomain === trustDomain);
    return (
      (bundle && perDomain(name, [bundle])) ?? {
        name,
        kind: 'spiffe-validation',
        trustDomains: [{ name: trustDomain, trustBundlePem: this.#parts.nobody }],
      }
    );
  }
}

const MAX_REMEMBERED = 20_000;

/** Undefined where none of them has a root, because Envoy refuses an empty bundle. */
function perDomain(name: string, bundles: readonly TrustBundle[]): SdsSecret | undefined {
  const trustDomains = bundles
    .filter(({ x509Authorities }) => x509Authorities.length > 0)
    .map((bundle) => ({ name: bundle.trustDomain, trustBundlePem: rootsPem(bundle) }));
  return trustDomains.length === 0 ? undefined : { name, kind: 'spiffe-validation', trustDomains };
}

function rootsPem({ x509Authorities }: TrustBundle): string {
  return pemFromCertificates(x509Authorities.map(({ der }) => der));
}

/** Reads the trust domain from `spiffe://td`, and from nothing else. */
function trustDomainNamed(name: string): TrustDomain | undefined {
  try {
    const id = parseSpiffeId(name);
    return pathOf(id) === '' ? trustDomainOf(id) : undefined;
  } catch (error) {
    if (error instanceof SpiffeIdError) return undefined;
    throw error;
  }
}
