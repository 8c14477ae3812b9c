import { createPublicKey } from 'node:crypto';
import type { SpireBundle, SpireFederationRelationship } from '../../grpc/index.ts';
import {
  BundleError,
  isTrustDomain,
  type JwtAuthority,
  type TrustBundle,
  type TrustDomain,
  type X509Authority,
  x509AuthorityFromDer,
} from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import type { PeerEndpoint } from './peer-endpoint.ts';

/**
 * Renders a bundle in SPIRE's form: these roots and JWT keys, with the sequence and hint of the
 * bundle.
 */
export function renderSpireBundle(
  { trustDomain, sequence, refreshHintSeconds }: TrustBundle,
  roots: readonly X509Authority[],
  jwtAuthorities: readonly JwtAuthority[],
): SpireBundle {
  return {
    trust_domain: trustDomain,
    x509_authorities: [...roots]
      .sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
      .map(({ der }) => ({ asn1: Buffer.from(der), tainted: false })),
    jwt_authorities: [...jwtAuthorities]
      .sort((a, b) => (a.keyId < b.keyId ? -1 : 1))
      .map((authority) => ({
        public_key: spkiOf(authority),
        key_id: authority.keyId,
        expires_at: '0',
        tainted: false,
      })),
    refresh_hint: String(refreshHintSeconds ?? 0),
    sequence_number: String(sequence ?? 0n),
  };
}

/**
 * The bundle with everything that it lists; undefined where one of its keys has no form in SPIRE.
 */
export function renderWhole(bundle: TrustBundle): SpireBundle | undefined {
  const { x509Authorities, jwtAuthorities } = bundle;
  if (renderableKeys(jwtAuthorities).length < jwtAuthorities.length) return undefined;
  return renderSpireBundle(bundle, x509Authorities, jwtAuthorities);
}

/** The JWT keys that SPIRE has a form for. */
export function renderableKeys(authorities: readonly JwtAuthority[]): JwtAuthority[] {
  return authorities.filter((authority) => {
    try {
      spkiOf(authority);
      return true;
    } catch {
      return false;
    }
  });
}

/** About how many bytes a bundle has on the wire. */
export function sizeOfBundle({ x509_authorities: x509, jwt_authorities: jwt }: SpireBundle): number {
  const roots = x509.reduce((sum, { asn1 }) => sum + asn1.length + 16, 0);
  return jwt.reduce(
    (sum, { public_key: key, key_id: id }) => sum + key.length + Buffer.byteLength(id) + 32,
    roots,
  );
}

function spkiOf({ jwk }: JwtAuthority): Buffer {
  return createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'der' });
}

/**
 * A federation relationship, with the first bundle: without it SPIRE could not prove an
 * `https_spiffe` endpoint.
 */
export function renderRelationship(
  trustDomain: TrustDomain,
  { url, profile }: Extract<PeerEndpoint, { url: string }>,
  bundle: SpireBundle,
): SpireFederationRelationship {
  return {
    trust_domain: trustDomain,
    bundle_endpoint_url: url,
    ...(profile.kind === 'https_web'
      ? { https_web: {} }
      : { https_spiffe: { endpoint_spiffe_id: profile.endpointId } }),
    trust_domain_bundle: bundle,
  };
}

/** Whether both name the same endpoint, and prove it the same way. */
export function sameEndpoint(a: SpireFederationRelationship, b: SpireFederationRelationship): boolean {
  return (
    hrefOf(a.bundle_endpoint_url) === hrefOf(b.bundle_endpoint_url) &&
    a.https_spiffe?.endpoint_spiffe_id === b.https_spiffe?.endpoint_spiffe_id &&
    (a.https_web === undefined) === (b.https_web === undefined)
  );
}

/** SPIRE gives a URL as Go writes it. */
function hrefOf(url: string): string {
  return URL.parse(url)?.href ?? url;
}

/**
 * The trust domain in a message of SPIRE, where old versions wrote the scheme too; unchanged where
 * it is not a trust domain.
 */
export function nameOf({ trust_domain: name }: { readonly trust_domain: string }): string {
  const plain = name.replace(/^spiffe:\/\//, '');
  return isTrustDomain(plain) ? plain : name;
}

/** Whether both mean the same to a verifier, in any order. A verifier ignores sequence and hint. */
export function sameAuthorities(a: SpireBundle, b: SpireBundle): boolean {
  const [one, two] = [authoritiesOf(a), authoritiesOf(b)];
  return one.size === two.size && [...one].every((each) => two.has(each));
}

/** A bundle with those of its authorities that the other one has too. */
export function commonOf(bundle: SpireBundle, other: SpireBundle): SpireBundle {
  const there = authoritiesOf(other);
  return {
    ...bundle,
    x509_authorities: bundle.x509_authorities.filter((each) => there.has(textOfRoot(each))),
    jwt_authorities: bundle.jwt_authorities.filter((each) => there.has(textOfKey(each))),
  };
}

function authoritiesOf({ x509_authorities: x509, jwt_authorities: jwt }: SpireBundle): Set<string> {
  return new Set([...x509.map(textOfRoot), ...jwt.map(textOfKey)]);
}

function textOfRoot({ asn1, tainted }: SpireBundle['x509_authorities'][number]): string {
  return `x509 ${asn1.toString('base64')} ${tainted}`;
}

function textOfKey({ key_id: id, public_key: key }: SpireBundle['jwt_authorities'][number]): string {
  return `jwt ${id} ${key.toString('base64')}`;
}

/**
 * The roots of a bundle that is in SPIRE, those left out that are tainted or that we cannot read.
 */
export function readableRoots({ x509_authorities: authorities }: SpireBundle): X509Authority[] {
  return authorities.flatMap(({ asn1, tainted }) => {
    if (tainted) return [];
    try {
      return [x509AuthorityFromDer(asn1)];
    } catch (error) {
      if (error instanceof BundleError) return [];
      throw error;
    }
  });
}

/**
 * The own trust from the server's own bundle: every authority that is not tainted, all or none
 *. Throws `MeshAdapterError`: `own-trust-domain-malformed`,
 * `own-roots-malformed`.
 */
export function parseOwnBundle(bundle: SpireBundle): OwnTrust {
  const { trust_domain: name, x509_authorities: x509, jwt_authorities: jwt } = bundle;
  const trustDomain = name.replace(/^spiffe:\/\//, '');
  if (!isTrustDomain(trustDomain)) {
    throw new MeshAdapterError(
      'own-trust-domain-malformed',
      `SPIRE names ${JSON.stringify(trustDomain.slice(0, 80))} as its trust domain, but that is not a trust domain`,
    );
  }
  try {
    return {
      trustDomain,
      roots: x509.filter(({ tainted }) => !tainted).map(({ asn1 }) => x509AuthorityFromDer(asn1)),
      jwtAuthorities: jwt
        .filter(({ tainted }) => !tainted)
        .map(({ key_id: keyId, public_key: key }) => ({ keyId, jwk: jwkOf(key) })),
    };
  } catch (cause) {
    const message = `the own bundle of ${trustDomain} holds an authority that could not be read`;
    throw new MeshAdapterError('own-roots-malformed', message, { cause });
  }
}

function jwkOf(spki: Buffer): Readonly<Record<string, string>> {
  const jwk = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'jwk' });
  return Object.fromEntries(
    Object.entries(jwk).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
