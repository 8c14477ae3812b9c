import { describeError, type Log } from '../platform/index.ts';
import {
  createNarrowedAnchor,
  pemFromCertificates,
  type TrustBundle,
  type TrustDomain,
  type X509Authority,
} from '../spiffe/index.ts';

/** Narrowed anchors that stay the same as long as their root does, so that a proxy is not sent equal trust in other bytes. */
export class NarrowedAnchors {
  readonly #log: Log;
  #made = new Map<string, string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** PEM of the anchors of each trust domain that has roots; those of roots that are gone are forgotten. */
  async of(bundles: readonly TrustBundle[]): Promise<ReadonlyMap<TrustDomain, string>> {
    const kept = new Map<string, string>();
    const pems = new Map<TrustDomain, string>();
    for (const { trustDomain, x509Authorities } of bundles) {
      const parts: string[] = [];
      for (const root of x509Authorities) {
        const key = `${trustDomain} ${root.fingerprint}`;
        const pem = this.#made.get(key) ?? (await this.#narrow(root, trustDomain));
        if (pem === undefined) continue;
        kept.set(key, pem);
        parts.push(pem);
      }
      if (parts.length > 0) pems.set(trustDomain, parts.join(''));
    }
    this.#made = kept;
    return pems;
  }

  /** Nothing for a root that cannot be narrowed: one peer's odd root must not keep the others' trust back. */
  async #narrow(root: X509Authority, trustDomain: TrustDomain): Promise<string | undefined> {
    try {
      return pemFromCertificates([await createNarrowedAnchor(root, trustDomain)]);
    } catch (error) {
      this.#log.error('a root cannot be narrowed and is left out of the merged pool', {
        trust_domain: trustDomain,
        fingerprint: root.fingerprint,
        error: describeError(error),
      });
      return undefined;
    }
  }
}
