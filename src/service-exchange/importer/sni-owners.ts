import type { TrustDomain } from '../../spiffe/index.ts';

/** Whose names are known. */
export interface SniOwners {
  readonly own: TrustDomain | undefined;
  readonly peers: readonly TrustDomain[];
  /** The SNIs of our exports. */
  readonly ownSnis: ReadonlySet<string>;
  /** The SNIs of what we import, with the peer that each leads to. */
  readonly imported: ReadonlyMap<string, TrustDomain>;
}

/**
 * Whose SNI a name is, seen from the peer that offers it: ours, or that of another peer. A name
 * under a trust domain belongs to that trust domain, the longest one where several fit. Undefined
 * where the peer may offer it.
 */
export function sniOwner(
  sni: string,
  peer: TrustDomain,
  { own, peers, ownSnis, imported }: SniOwners,
): TrustDomain | undefined {
  if (own !== undefined && ownSnis.has(sni)) return own;
  const importedFrom = imported.get(sni);
  if (importedFrom !== undefined && importedFrom !== peer) return importedFrom;
  const [under] = [...(own === undefined ? [] : [own]), ...peers]
    .filter((trustDomain) => sni === trustDomain || sni.endsWith(`.${trustDomain}`))
    .toSorted((a, b) => b.length - a.length);
  return under === peer ? undefined : under;
}
