import { z } from 'zod';
import {
  CertificateError,
  certificatesFromPem,
  isNarrowedAnchor,
  parseCertificate,
  PemError,
} from '../../spiffe/index.ts';
import { readIfPossible } from '../contract/answer.ts';
import type { Anchor, PresentAnchor } from '../contract/anchors.ts';
import type { CaEntry } from './mesh-config-document.ts';
import type { ListOrigin } from './splice.ts';

/** The annotation of the mesh ConfigMap that lists our entries. See docs/meshes/istio.md. */
export const OWN_ENTRIES_ANNOTATION = 'federate.dev/ca-certificates';

const MAX_ANNOTATION_CHARACTERS = 262_144;

const ENTRIES = z.object({
  anchors: z
    .array(
      z
        .object({
          anchor: z
            .string()
            .regex(/^[0-9a-f]{64}$/)
            .optional(),
        })
        .catch({}),
    )
    .catch([]),
  // Only what could have stood there: it is put back as it is.
  listWas: z
    .string()
    .regex(/^\s*(~|null|Null|NULL)?$/)
    .nullish()
    .catch(undefined),
});

/** The content of the annotation. */
export interface OwnEntries {
  /** SHA-256 of each certificate that we wrote. */
  readonly fingerprints: ReadonlySet<string>;
  readonly origin?: ListOrigin;
}

/**
 * Reads the annotation. A missing annotation, or one in another form, counts as empty: our entries
 * still have their mark.
 */
export function parseOwnEntries(annotation: string | undefined): OwnEntries {
  const nothing: OwnEntries = { fingerprints: new Set() };
  if (annotation === undefined || annotation.length > MAX_ANNOTATION_CHARACTERS) return nothing;
  const { anchors, listWas } = readIfPossible(ENTRIES, annotation) ?? { anchors: [] };
  return {
    fingerprints: new Set(anchors.flatMap(({ anchor }) => anchor ?? [])),
    ...(listWas === null && { origin: { kind: 'key' } as const }),
    ...(typeof listWas === 'string' && { origin: { kind: 'value', was: listWas } as const }),
  };
}

/**
 * Returns the annotation for these anchors: the fingerprint of each written certificate and, for
 * the audit, that of its real root.
 */
export function renderOwnEntries(anchors: readonly Anchor[], origin: ListOrigin | undefined): string {
  return JSON.stringify({
    anchors: anchors.map(({ trustDomain, fingerprint, rootFingerprint }) => ({
      trustDomain,
      anchor: fingerprint,
      root: rootFingerprint,
    })),
    ...(origin && { listWas: origin.kind === 'key' ? null : origin.was }),
  });
}

/** The certificate of an entry of ours, or undefined for an entry of another owner. */
export function ownAnchorOf(entry: CaEntry, own: OwnEntries): PresentAnchor | undefined {
  const { pem, trustDomains } = entry;
  const [trustDomain, ...more] = trustDomains;
  if (pem === undefined || trustDomain === undefined || more.length > 0) return undefined;
  const certificate = firstCertificate(pem);
  if (typeof certificate === 'string') return undefined;
  const ours = own.fingerprints.has(certificate.fingerprint) || isNarrowedAnchor(certificate, trustDomain);
  return ours ? { trustDomain, pem, certificate } : undefined;
}

/**
 * Why istiod would refuse an entry, and with it the whole set; undefined where
 * it would not.
 */
export function faultOf(entry: CaEntry): string | undefined {
  if (entry.pem === undefined) return undefined;
  const certificate = firstCertificate(entry.pem);
  if (typeof certificate === 'string') return certificate;
  return certificate.isCa ? undefined : 'its certificate is not a CA certificate';
}

function firstCertificate(pem: string) {
  try {
    const [der] = certificatesFromPem(pem);
    return der ? parseCertificate(der) : 'it holds no certificate';
  } catch (error) {
    if (error instanceof PemError || error instanceof CertificateError) return error.message;
    throw error;
  }
}
