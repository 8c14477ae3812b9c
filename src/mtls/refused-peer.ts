import { createHash } from 'node:crypto';
import { messageOf } from '../errors/index.ts';
import { defined } from '../objects/index.ts';
import type { LogFields } from '../platform/index.ts';
import { CodedError, X509SvidError } from '../spiffe/index.ts';
import type { SentChain, VerifiedPeer } from './peer.ts';

/** A peer that was not proved or not admitted after its handshake, and what is known about it. */
export interface RefusedPeer {
  readonly code: string;
  readonly message: string;
  /** Its ID, where it was proved. */
  readonly peer?: VerifiedPeer;
  /** The ID it claimed, where nothing was proved. */
  readonly claimedId?: string;
  /** SHA-256 of the leaf it presented, hex; proved or not. */
  readonly leafFingerprint?: string;
}

/** The record of a refusal by `error`: what the peer has sent, and `peer` where it was proved. */
export function refusedPeer(
  error: unknown,
  { certificates: [leaf] }: SentChain,
  peer?: VerifiedPeer,
): RefusedPeer {
  return {
    code: error instanceof CodedError ? error.code : 'internal',
    message: messageOf(error),
    ...defined({ peer }),
    ...(error instanceof X509SvidError && error.claimedId && { claimedId: error.claimedId }),
    ...(leaf && { leafFingerprint: createHash('sha256').update(leaf).digest('hex') }),
  };
}

/** The fields of the log record `connection refused`, the same in both roles. */
export function refusalFields({ code, message, peer, claimedId, leafFingerprint }: RefusedPeer): LogFields {
  return {
    code,
    reason: message,
    peer: peer?.id,
    claimed_peer: claimedId,
    leaf: leafFingerprint,
    root: peer?.anchorFingerprint,
    bundle: peer?.bundleDigest,
  };
}
