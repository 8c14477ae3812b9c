import { defined, given } from '../../objects/index.ts';
import { printable } from '../../platform/index.ts';
import { parseSpiffeId, parseTrustDomain, type SpiffeId, type TrustDomain } from '../../spiffe/index.ts';
import { checkSequence } from './arguments.ts';

/** What a peer proved that it holds of our bundle, as it is kept over a restart. */
export interface StoredHolding {
  readonly trustDomain: TrustDomain;
  /** `contentDigest` of the version. */
  readonly digest: string;
  readonly sequence?: bigint;
  readonly since: Date;
  /** How far the bundle has reached in the peer's mesh. */
  readonly inMesh?: { readonly progress: 'written' | 'accepted' | 'in-effect'; readonly since: Date };
  readonly signer: SpiffeId;
  readonly address: string;
  readonly statedAt: Date;
}

/** A row of `peer_holding`. */
export type HoldingRow = ReturnType<typeof rowOfHolding>;

/**
 * The row of a holding. Throws `TypeError` for a malformed digest, `RangeError` for a sequence beyond
 * 64 bits.
 */
export function rowOfHolding(holding: StoredHolding) {
  const { trustDomain, digest, sequence, since, inMesh, signer, address, statedAt } = holding;
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new TypeError('a digest has 64 hex digits');
  checkSequence(sequence);
  return {
    trust_domain: trustDomain,
    digest,
    sequence: sequence?.toString() ?? null,
    held_since: since.toISOString(),
    progress: inMesh?.progress ?? null,
    progress_since: inMesh?.since.toISOString() ?? null,
    signer,
    address: printable(address, 100),
    said_at: statedAt.toISOString(),
  };
}

/** The holding of a row. */
export function holdingOfRow(row: HoldingRow): StoredHolding {
  const { progress, progress_since: progressSince } = row;
  return {
    trustDomain: parseTrustDomain(row.trust_domain),
    digest: row.digest,
    since: new Date(row.held_since),
    signer: parseSpiffeId(row.signer),
    address: row.address,
    statedAt: new Date(row.said_at),
    ...defined({ sequence: given(row.sequence, BigInt) }),
    ...(progress === null || progressSince === null
      ? {}
      : { inMesh: { progress, since: new Date(progressSince) } }),
  };
}
