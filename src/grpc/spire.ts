import { loadProto, messageType } from './message-type.ts';
import { method } from './service.ts';

/** The result of one item of a batch; `code` is one of gRPC's, 0 for success. */
export interface SpireStatus {
  readonly code: number;
  readonly message: string;
}

/** `spire.api.types.Bundle`. */
export interface SpireBundle {
  /** Without a scheme. */
  readonly trust_domain: string;
  readonly x509_authorities: readonly { readonly asn1: Buffer; readonly tainted: boolean }[];
  readonly jwt_authorities: readonly {
    /** SubjectPublicKeyInfo, DER. */
    readonly public_key: Buffer;
    readonly key_id: string;
    /** Seconds since 1970 as decimal text; 0 for never. */
    readonly expires_at: string;
    readonly tainted: boolean;
  }[];
  /** Seconds as decimal text; 0 for none. */
  readonly refresh_hint: string;
  /** 64-bit, as decimal text. */
  readonly sequence_number: string;
}

/**
 * `spire.api.types.FederationRelationship`: a bundle that SPIRE refreshes by itself. It has exactly
 * one of the two profiles.
 */
export interface SpireFederationRelationship {
  readonly trust_domain: string;
  readonly bundle_endpoint_url: string;
  readonly https_web?: Readonly<Record<string, never>>;
  readonly https_spiffe?: { readonly endpoint_spiffe_id: string };
  /** In a creation or an update it replaces the bundle that SPIRE holds. */
  readonly trust_domain_bundle?: SpireBundle;
}

/** The fields of a relationship that an answer contains. */
export interface SpireRelationshipMask {
  readonly bundle_endpoint_url: boolean;
  readonly bundle_endpoint_profile: boolean;
  readonly trust_domain_bundle: boolean;
}

/** The page of a list; the server may return fewer than `page_size`. */
export interface SpirePage {
  readonly page_size: number;
  readonly page_token: string;
}

interface Results {
  readonly results: readonly { readonly status?: SpireStatus }[];
}

/**
 * What happens to registration entries that federate with a deleted bundle: refuse, delete them, or
 * dissociate them.
 */
export const SPIRE_DELETE_MODE = { restrict: 0, delete: 1, dissociate: 2 } as const;

const root = loadProto('spire');
const of = <Message extends object>(name: string) => messageType<Message>(root, `federate.spire.${name}`);

const BUNDLE = '/spire.api.server.bundle.v1.Bundle';
const TRUST_DOMAIN = '/spire.api.server.trustdomain.v1.TrustDomain';
const unary = { requestStream: false, responseStream: false };

/** SPIRE's `Bundle` service: its own bundle, and those of other trust domains. */
export const spireBundleService = {
  GetBundle: method({
    path: `${BUNDLE}/GetBundle`,
    request: of<Record<string, never>>('GetBundleRequest'),
    response: of<SpireBundle>('Bundle'),
    ...unary,
  }),
  ListFederatedBundles: method({
    path: `${BUNDLE}/ListFederatedBundles`,
    request: of<SpirePage>('ListFederatedBundlesRequest'),
    response: of<{ readonly bundles: readonly SpireBundle[]; readonly next_page_token: string }>(
      'ListFederatedBundlesResponse',
    ),
    ...unary,
  }),
  GetFederatedBundle: method({
    path: `${BUNDLE}/GetFederatedBundle`,
    request: of<{ readonly trust_domain: string }>('GetFederatedBundleRequest'),
    response: of<SpireBundle>('Bundle'),
    ...unary,
  }),
  BatchSetFederatedBundle: method({
    path: `${BUNDLE}/BatchSetFederatedBundle`,
    request: of<{ readonly bundle: readonly SpireBundle[] }>('BatchSetFederatedBundleRequest'),
    response: of<Results>('BatchSetFederatedBundleResponse'),
    ...unary,
  }),
  BatchDeleteFederatedBundle: method({
    path: `${BUNDLE}/BatchDeleteFederatedBundle`,
    request: of<{ readonly trust_domains: readonly string[]; readonly mode: number }>(
      'BatchDeleteFederatedBundleRequest',
    ),
    response: of<Results>('BatchDeleteFederatedBundleResponse'),
    ...unary,
  }),
} as const;

const relationships = of<{ readonly federation_relationships: readonly SpireFederationRelationship[] }>(
  'BatchFederationRelationshipRequest',
);
const relationshipResults = of<Results>('BatchFederationRelationshipResponse');

/**
 * SPIRE's `TrustDomain` service: the trust domains whose endpoints the server polls by itself. Its
 * list contains only those added through this service. Those of the server's configuration file
 * appear only through `RefreshBundle`, which accepts both.
 */
export const spireTrustDomainService = {
  ListFederationRelationships: method({
    path: `${TRUST_DOMAIN}/ListFederationRelationships`,
    request: of<SpirePage & { readonly output_mask: SpireRelationshipMask }>(
      'ListFederationRelationshipsRequest',
    ),
    response: of<{
      readonly federation_relationships: readonly SpireFederationRelationship[];
      readonly next_page_token: string;
    }>('ListFederationRelationshipsResponse'),
    ...unary,
  }),
  BatchCreateFederationRelationship: method({
    path: `${TRUST_DOMAIN}/BatchCreateFederationRelationship`,
    request: relationships,
    response: relationshipResults,
    ...unary,
  }),
  BatchUpdateFederationRelationship: method({
    path: `${TRUST_DOMAIN}/BatchUpdateFederationRelationship`,
    request: relationships,
    response: relationshipResults,
    ...unary,
  }),
  BatchDeleteFederationRelationship: method({
    path: `${TRUST_DOMAIN}/BatchDeleteFederationRelationship`,
    request: of<{ readonly trust_domains: readonly string[] }>('BatchDeleteFederationRelationshipRequest'),
    response: of<Results>('BatchDeleteFederationRelationshipResponse'),
    ...unary,
  }),
  RefreshBundle: method({
    path: `${TRUST_DOMAIN}/RefreshBundle`,
    request: of<{ readonly trust_domain: string }>('RefreshBundleRequest'),
    response: of<Record<string, never>>('Empty'),
    ...unary,
  }),
} as const;
