import { loadProto, messageType } from './message-type.ts';
import { method } from './service.ts';

/**
 * One X509-SVID of a caller. Certificates are DER, one after the other, leaf first; the key is
 * PKCS#8 DER (WLAPI-20).
 */
export interface WorkloadX509Svid {
  readonly spiffe_id: string;
  readonly x509_svid: Buffer;
  readonly x509_svid_key: Buffer;
  /** The roots of the SVID's own trust domain. */
  readonly bundle: Buffer;
  readonly hint: string;
}

export interface X509SvidResponse {
  readonly svids: readonly WorkloadX509Svid[];
  readonly crl: readonly Buffer[];
  /** Roots by the ID of their trust domain, `spiffe://td`. */
  readonly federated_bundles: Readonly<Record<string, Buffer>>;
}

export interface X509BundlesResponse {
  readonly crl: readonly Buffer[];
  readonly bundles: Readonly<Record<string, Buffer>>;
}

export interface JwtSvidRequest {
  readonly audience: readonly string[];
  readonly spiffe_id: string;
}

export interface JwtSvidResponse {
  readonly svids: readonly { readonly spiffe_id: string; readonly svid: string; readonly hint: string }[];
}

/** JWK Sets by the ID of their trust domain. */
export interface JwtBundlesResponse {
  readonly bundles: Readonly<Record<string, Buffer>>;
}

export interface ValidateJwtSvidRequest {
  readonly audience: string;
  readonly svid: string;
}

export interface ValidateJwtSvidResponse {
  readonly spiffe_id: string;
  readonly claims?: StructMessage;
}

/** `google.protobuf.Struct`. */
export interface StructMessage {
  readonly fields: Readonly<Record<string, ValueMessage>>;
}

/** `google.protobuf.Value`: exactly one member is set. */
export interface ValueMessage {
  readonly null_value?: 0;
  readonly number_value?: number;
  readonly string_value?: string;
  readonly bool_value?: boolean;
  readonly struct_value?: StructMessage;
  readonly list_value?: { readonly values: readonly ValueMessage[] };
}

const root = loadProto('workload');
const nothing = (name: string) => messageType<Record<never, never>>(root, `federate.workload.${name}`);

/**
 * The SPIFFE Workload API. Its service has no package (Workload API §2), so neither has its path.
 */
export const spiffeWorkloadService = {
  FetchX509SVID: method({
    path: '/SpiffeWorkloadAPI/FetchX509SVID',
    request: nothing('X509SVIDRequest'),
    response: messageType<X509SvidResponse>(root, 'federate.workload.X509SVIDResponse'),
    requestStream: false,
    responseStream: true,
  }),
  FetchX509Bundles: method({
    path: '/SpiffeWorkloadAPI/FetchX509Bundles',
    request: nothing('X509BundlesRequest'),
    response: messageType<X509BundlesResponse>(root, 'federate.workload.X509BundlesResponse'),
    requestStream: false,
    responseStream: true,
  }),
  FetchJWTSVID: method({
    path: '/SpiffeWorkloadAPI/FetchJWTSVID',
    request: messageType<JwtSvidRequest>(root, 'federate.workload.JWTSVIDRequest'),
    response: messageType<JwtSvidResponse>(root, 'federate.workload.JWTSVIDResponse'),
    requestStream: false,
    responseStream: false,
  }),
  FetchJWTBundles: method({
    path: '/SpiffeWorkloadAPI/FetchJWTBundles',
    request: nothing('JWTBundlesRequest'),
    response: messageType<JwtBundlesResponse>(root, 'federate.workload.JWTBundlesResponse'),
    requestStream: false,
    responseStream: true,
  }),
  ValidateJWTSVID: method({
    path: '/SpiffeWorkloadAPI/ValidateJWTSVID',
    request: messageType<ValidateJwtSvidRequest>(root, 'federate.workload.ValidateJWTSVIDRequest'),
    response: messageType<ValidateJwtSvidResponse>(root, 'federate.workload.ValidateJWTSVIDResponse'),
    requestStream: false,
    responseStream: false,
  }),
} as const;
