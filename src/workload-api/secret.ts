import { messageOf } from '../errors/index.ts';
import {
  type AnyMessage,
  type CertificateValidationContext,
  type DataSource,
  SECRET_TYPE_URL,
  secretMessage,
  SPIFFE_VALIDATOR_NAME,
  SPIFFE_VALIDATOR_TYPE_URL,
  type SubjectAltNameMatcher,
  spiffeValidatorMessage,
} from '../grpc/index.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/index.ts';
import { WorkloadApiError } from './errors.ts';

/** A URI SAN that a peer must have: the whole of it, or its beginning. */
export type UriSanMatcher = { readonly exact: string } | { readonly prefix: string };

/**
 * One SDS secret: an SVID with its key, or the trust that peers are checked against. PEM
 * throughout.
 */
export type SdsSecret = { readonly name: string } & (
  | { readonly kind: 'certificate'; readonly chainPem: string; readonly keyPem: string }
  | {
      /**
       * One pool in which any root may prove any peer, and the admitted URI SANs. When none is
       * listed, Envoy admits all peers and our sidecar none.
       */
      readonly kind: 'merged-validation';
      readonly trustedCaPem: string;
      readonly allowedUriSans: readonly UriSanMatcher[];
    }
  | {
      /** One bundle per trust domain: Envoy's SPIFFE validator. */
      readonly kind: 'spiffe-validation';
      readonly trustDomains: readonly { readonly name: TrustDomain; readonly trustBundlePem: string }[];
      readonly allowedUriSans?: readonly UriSanMatcher[];
    }
);

/** The secret as a resource of a discovery response, in the form that Envoy accepts. */
export function encodeSecret(secret: SdsSecret): AnyMessage {
  return { type_url: SECRET_TYPE_URL, value: secretMessage.encode({ name: secret.name, ...bodyOf(secret) }) };
}

function bodyOf(secret: SdsSecret) {
  switch (secret.kind) {
    case 'certificate':
      return {
        tls_certificate: { certificate_chain: inline(secret.chainPem), private_key: inline(secret.keyPem) },
      };
    case 'merged-validation':
      return {
        validation_context: {
          trusted_ca: inline(secret.trustedCaPem),
          match_typed_subject_alt_names: matchers(secret.allowedUriSans),
        },
      };
    case 'spiffe-validation': {
      const config = spiffeValidatorMessage.encode({
        trust_domains: secret.trustDomains.map(({ name, trustBundlePem }) => ({
          name,
          trust_bundle: inline(trustBundlePem),
        })),
      });
      return {
        validation_context: {
          custom_validator_config: {
            name: SPIFFE_VALIDATOR_NAME,
            typed_config: { type_url: SPIFFE_VALIDATOR_TYPE_URL, value: config },
          },
          match_typed_subject_alt_names: matchers(secret.allowedUriSans ?? []),
        },
      };
    }
  }
}

/** Reads a resource of a discovery response. Throws `WorkloadApiError` `secret-malformed`. */
export function decodeSecret(resource: AnyMessage): SdsSecret {
  if (resource.type_url !== SECRET_TYPE_URL)
    throw malformed(`its type is ${JSON.stringify(resource.type_url)}`);
  let name = '';
  try {
    const secret = secretMessage.decode(resource.value);
    name = secret.name;
    if (secret.tls_certificate) {
      const { certificate_chain: chain, private_key: key } = secret.tls_certificate;
      return { name, kind: 'certificate', chainPem: text(chain), keyPem: text(key) };
    }
    if (secret.validation_context) return { name, ...validationOf(secret.validation_context) };
  } catch (cause) {
    if (cause instanceof WorkloadApiError) throw cause;
    throw malformed(messageOf(cause), cause);
  }
  throw malformed(`the secret ${JSON.stringify(name)} is neither a certificate nor a validation context`);
}

function validationOf(context: CertificateValidationContext) {
  const allowedUriSans = (context.match_typed_subject_alt_names ?? []).map(readMatcher);
  const custom = context.custom_validator_config;
  if (!custom)
    return { kind: 'merged-validation' as const, trustedCaPem: text(context.trusted_ca), allowedUriSans };
  if (custom.name !== SPIFFE_VALIDATOR_NAME || custom.typed_config?.type_url !== SPIFFE_VALIDATOR_TYPE_URL) {
    throw malformed(`the validator ${JSON.stringify(custom.name)} is not known`);
  }
  const config = spiffeValidatorMessage.decode(custom.typed_config.value);
  const trustDomains = config.trust_domains.map((each) => ({
    name: parseTrustDomain(each.name),
    trustBundlePem: text(each.trust_bundle),
  }));
  // As in Envoy, an empty list or a repeated trust domain is refused as a whole.
  if (trustDomains.length === 0) throw malformed('the SPIFFE validator lists no trust domain');
  if (new Set(trustDomains.map((each) => each.name)).size !== trustDomains.length) {
    throw malformed('the SPIFFE validator lists a trust domain twice');
  }
  return { kind: 'spiffe-validation' as const, trustDomains, allowedUriSans };
}

function readMatcher(matcher: SubjectAltNameMatcher): UriSanMatcher {
  const { exact, prefix } = matcher.matcher ?? {};
  if (matcher.san_type === 'URI' && exact !== undefined) return { exact };
  if (matcher.san_type === 'URI' && prefix !== undefined) return { prefix };
  throw malformed('a subject matcher is neither an exact URI nor a URI prefix');
}

function matchers(sans: readonly UriSanMatcher[]): SubjectAltNameMatcher[] {
  return sans.map((matcher) => ({ san_type: 'URI', matcher }));
}

function inline(pem: string): DataSource {
  return { inline_bytes: Buffer.from(pem, 'utf8') };
}

function text(source: DataSource | undefined): string {
  const found = source?.inline_bytes?.toString('utf8') ?? source?.inline_string;
  // A file name would let the server make us read files of ours.
  if (found === undefined) throw malformed('a value is not inline');
  return found;
}

function malformed(why: string, cause?: unknown): WorkloadApiError {
  return new WorkloadApiError('secret-malformed', `an SDS secret cannot be used: ${why}`, { cause });
}
