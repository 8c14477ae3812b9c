import { status } from '@grpc/grpc-js';
import type { JwtBundlesResponse, X509BundlesResponse, X509SvidResponse } from '../grpc/index.ts';
import type { Svid } from '../mtls/index.ts';
import { defined } from '../objects/index.ts';
import { type TrustBundle, trustDomainOf } from '../spiffe/index.ts';
import type { WorkloadState } from './workload-state.ts';

/** Why a call gets no answer, in gRPC's terms. */
export interface Refusal {
  readonly code: status;
  readonly message: string;
}

/** A whole message of a stream, or why there is none now. */
export type Rendered<Message> = { readonly message: Message } | { readonly refusal: Refusal };

/**
 * `FetchX509SVID`: the SVID with its own bundle, and every foreign one (WLAPI-18). PermissionDenied
 * where callers get no SVID, Unavailable while it is awaited (WLAPI-09).
 */
export function renderX509Svids(state: WorkloadState): Rendered<X509SvidResponse> {
  const found = identityOf(state);
  if ('refusal' in found) return found;
  const { svid, own } = found;
  return {
    message: {
      svids: [
        {
          spiffe_id: svid.id,
          x509_svid: Buffer.concat(svid.certificateChain),
          x509_svid_key: svid.privateKey.export({ type: 'pkcs8', format: 'der' }),
          bundle: rootsOf(own),
          hint: '',
        },
      ],
      crl: [],
      federated_bundles: byId(withRoots(state.foreign), rootsOf),
    },
  };
}

/**
 * `FetchX509Bundles`: roots of every trust domain, always with our own (WLAPI-21). A trust domain
 * without roots has no entry (WLAPI-25).
 */
export function renderX509Bundles({ own, foreign }: WorkloadState): Rendered<X509BundlesResponse> {
  if (!own) return NOT_REPORTED;
  if (own.x509Authorities.length === 0)
    return refused(status.UNAVAILABLE, `our own trust domain ${own.trustDomain} has no X.509 authority`);
  return { message: { crl: [], bundles: byId([own, ...withRoots(foreign)], rootsOf) } };
}

/**
 * `FetchJWTBundles`: a JWK Set for every trust domain, empty where it has no JWT key (WLAPI-22,
 * WLAPI-25).
 */
export function renderJwtBundles({ own, foreign }: WorkloadState): Rendered<JwtBundlesResponse> {
  if (!own) return NOT_REPORTED;
  return { message: { bundles: byId([own, ...foreign], jwkSetOf) } };
}

function identityOf({
  identity,
  own,
}: WorkloadState): { readonly svid: Svid; readonly own: TrustBundle } | { readonly refusal: Refusal } {
  if (identity === 'none')
    return refused(status.PERMISSION_DENIED, 'this socket gives out trust only and issues no identity');
  if (identity === 'awaited') return refused(status.UNAVAILABLE, 'the SVID has not arrived yet');
  if (!own) return NOT_REPORTED;
  // Its bundle would prove nothing, and the caller could not notice.
  if (trustDomainOf(identity.id) !== own.trustDomain)
    return refused(status.UNAVAILABLE, `${identity.id} is not of our own trust domain ${own.trustDomain}`);
  return { svid: identity, own };
}

/** By the ID of the trust domain, without a slash at its end (WLAPI-19). */
function byId(
  bundles: readonly TrustBundle[],
  valueOf: (bundle: TrustBundle) => Buffer,
): Record<string, Buffer> {
  return Object.fromEntries(bundles.map((bundle) => [`spiffe://${bundle.trustDomain}`, valueOf(bundle)]));
}

function withRoots(bundles: readonly TrustBundle[]): TrustBundle[] {
  return bundles.filter(({ x509Authorities }) => x509Authorities.length > 0);
}

function rootsOf({ x509Authorities }: TrustBundle): Buffer {
  return Buffer.concat(x509Authorities.map(({ der }) => der));
}

/** Plain keys with their IDs and without `use`, as SPIRE's agent returns them (WLAPI-23). */
function jwkSetOf({ jwtAuthorities }: TrustBundle): Buffer {
  return Buffer.from(
    JSON.stringify({
      keys: jwtAuthorities.map(({ keyId, jwk, algorithm }) => ({
        ...jwk,
        kid: keyId,
        ...defined({ alg: algorithm }),
      })),
    }),
  );
}

function refused(code: status, message: string): { readonly refusal: Refusal } {
  return { refusal: { code, message } };
}

const NOT_REPORTED = refused(status.UNAVAILABLE, 'our own mesh has not reported its roots yet');
