import {
  type AnchorIdentities,
  type Certificate,
  createNarrowedAnchor,
  parseCertificate,
  pemFromCertificates,
  standsFor,
  type TrustDomain,
  type X509Authority,
} from '../../spiffe/index.ts';
import { assertReadable } from './readable.ts';

/**
 * An anchor as it is written: the certificate in the mesh, and the real root that it represents.
 */
export interface Anchor {
  readonly trustDomain: TrustDomain;
  readonly pem: string;
  /** SHA-256 of the certificate that is written. */
  readonly fingerprint: string;
  /** SHA-256 of the real root. */
  readonly rootFingerprint: string;
}

/** An anchor of ours found in the mesh. */
export interface PresentAnchor {
  readonly trustDomain: string;
  readonly pem: string;
  readonly certificate: Certificate;
}

/**
 * Gives each root one anchor and keeps it. A changed set makes Istio issue every proxy's
 * certificate again, and Linkerd restart every pod. So an anchor that is in the mesh or was made
 * before is reused.
 */
export class Anchors {
  readonly #made = new Map<string, Anchor>();
  readonly #unnarrowed: boolean;
  readonly #identities: AnchorIdentities;

  constructor(options: { readonly unnarrowed: boolean; readonly identities?: AnchorIdentities }) {
    this.#unnarrowed = options.unnarrowed;
    this.#identities = options.identities ?? 'uri';
  }

  /**
   * The anchors of these roots, by fingerprint of the root. Roots that differ only in their dates
   * share the longest-lived.
   */
  async of(
    trustDomain: TrustDomain,
    roots: readonly X509Authority[],
    present: readonly PresentAnchor[],
  ): Promise<Anchor[]> {
    const anchors: Anchor[] = [];
    const chosen = this.#unnarrowed ? roots : onePerKey(roots);
    for (const root of [...chosen].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1)))
      anchors.push(await this.#of(trustDomain, root, present));
    return anchors;
  }

  /** Forgets what was made for roots that are not among `kept`. */
  prune(kept: readonly Anchor[]): void {
    const keys = new Set(kept.map(({ trustDomain, rootFingerprint }) => `${trustDomain} ${rootFingerprint}`));
    for (const key of this.#made.keys()) if (!keys.has(key)) this.#made.delete(key);
  }

  async #of(
    trustDomain: TrustDomain,
    root: X509Authority,
    present: readonly PresentAnchor[],
  ): Promise<Anchor> {
    const named = { trustDomain, rootFingerprint: root.fingerprint };
    if (this.#unnarrowed)
      return { ...named, pem: pemFromCertificates([root.der]), fingerprint: root.fingerprint };
    const real = parseCertificate(root.der);
    const found = present.find(
      (each) =>
        each.trustDomain === trustDomain && standsFor(each.certificate, real, trustDomain, this.#identities),
    );
    if (found) return { ...named, pem: found.pem, fingerprint: found.certificate.fingerprint };
    const key = `${trustDomain} ${root.fingerprint}`;
    const made = this.#made.get(key) ?? (await make(named, root, this.#identities));
    this.#made.set(key, made);
    return made;
  }
}

async function make(
  named: Pick<Anchor, 'trustDomain' | 'rootFingerprint'>,
  root: X509Authority,
  identities: AnchorIdentities,
): Promise<Anchor> {
  const der = await createNarrowedAnchor(root, named.trustDomain, identities);
  const { fingerprint } = parseCertificate(der);
  assertReadable({ der, fingerprint });
  return { ...named, pem: pemFromCertificates([der]), fingerprint };
}

function onePerKey(roots: readonly X509Authority[]): X509Authority[] {
  const byKey = new Map<string, X509Authority>();
  for (const root of roots) {
    const { subjectKey, subjectKeyId, keyFingerprint } = parseCertificate(root.der);
    const key = `${keyFingerprint} ${subjectKeyId ?? ''} ${subjectKey}`;
    const other = byKey.get(key);
    if (!other || other.notAfter < root.notAfter) byKey.set(key, root);
  }
  return [...byKey.values()];
}
