import { X509Certificate } from 'node:crypto';
import { describeError } from '../platform/index.ts';
import {
  createNarrowedAnchor,
  pemFromCertificates,
  type TrustBundle,
  type TrustDomain,
  type X509Authority,
} from '../spiffe/index.ts';
import type { Unserved } from './fit-bundles.ts';

/**
 * Narrowed anchors that stay the same as long as their root does, so that a proxy does not receive
 * equal trust in other bytes.
 */
export class NarrowedAnchors {
  #made = new Map<string, string | Unserved>();

  /**
   * PEM of the anchors of each trust domain that has roots. Anchors of removed roots are forgotten.
   * A root that cannot be narrowed is left out and reported, because it must not delay the trust of
   * other peers.
   */
  async of(bundles: readonly TrustBundle[]): Promise<{
    readonly pems: ReadonlyMap<TrustDomain, string>;
    readonly unnarrowed: readonly Unserved[];
  }> {
    const kept = new Map<string, string | Unserved>();
    const pems = new Map<TrustDomain, string>();
    const unnarrowed = new Map<TrustDomain, Unserved>();
    for (const { trustDomain, x509Authorities } of bundles) {
      const parts: string[] = [];
      for (const root of x509Authorities) {
        const key = `${trustDomain} ${root.fingerprint}`;
        const made = this.#made.get(key) ?? (await narrow(root, trustDomain));
        kept.set(key, made);
        if (typeof made === 'string') parts.push(made);
        else unnarrowed.set(trustDomain, made);
      }
      if (parts.length > 0) pems.set(trustDomain, parts.join(''));
    }
    this.#made = kept;
    return { pems, unnarrowed: [...unnarrowed.values()] };
  }
}

async function narrow(root: X509Authority, trustDomain: TrustDomain): Promise<string | Unserved> {
  try {
    const der = await createNarrowedAnchor(root, trustDomain);
    // A proxy refuses the whole pool for one unreadable certificate.
    void new X509Certificate(der).publicKey;
    return pemFromCertificates([der]);
  } catch (error) {
    const message = `root ${JSON.stringify(root.subject)} (${root.fingerprint.slice(0, 16)}) of ${trustDomain} cannot be narrowed and is left out of the secret MERGED: ${describeError(error).message}`;
    return { trustDomain, code: 'root-not-narrowable', message };
  }
}
