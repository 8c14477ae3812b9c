import { createHash } from 'node:crypto';
import type { PeerRole, VerifiedPeer } from './peer.ts';

/** Peers remembered by default; one costs about 4 KB. */
const DEFAULT_ENTRIES = 4096;
/**
 * Most bytes of a chain that is remembered. Because a peer may send any surplus with its chain, a
 * longer one is proved each time.
 */
const LONGEST_CHAIN_BYTES = 16 * 1024;

/**
 * Accepted peers, by exactly the certificates they sent and the role they played. It holds no
 * refusals. The owner decides whether an acceptance under one trust still holds under another.
 */
export class VerifiedPeers<Trust> {
  readonly #entries = new Map<string, { readonly peer: VerifiedPeer; readonly trust: Trust }>();
  readonly #capacity: number;

  /** `capacity` 0 remembers nothing. */
  constructor(capacity: number = DEFAULT_ENTRIES) {
    this.#capacity = capacity;
  }

  /** The accepted peer, unless something on its path has ended or `stillTrusted` refuses it. */
  find(
    chain: readonly Uint8Array[],
    peerRole: PeerRole,
    now: Date,
    stillTrusted: (peer: VerifiedPeer, trust: Trust) => boolean,
  ): VerifiedPeer | undefined {
    if (this.#capacity === 0) return undefined;
    const key = digestOf(chain, peerRole);
    const found = this.#entries.get(key);
    if (!found) return undefined;
    if (now <= found.peer.notAfter && stillTrusted(found.peer, found.trust)) return found.peer;
    this.#entries.delete(key);
    return undefined;
  }

  remember(peerRole: PeerRole, peer: VerifiedPeer, trust: Trust): void {
    const bytes = peer.chain.reduce((sum, der) => sum + der.length, 0);
    if (this.#capacity === 0 || bytes > LONGEST_CHAIN_BYTES) return;
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size >= this.#capacity && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(digestOf(peer.chain, peerRole), { peer, trust });
  }
}

/** Includes the lengths, so that no two chains share a digest by another split. */
function digestOf(chain: readonly Uint8Array[], peerRole: PeerRole): string {
  const hash = createHash('sha256').update(peerRole);
  const length = Buffer.alloc(4);
  for (const der of chain) {
    length.writeUInt32BE(der.length);
    hash.update(length).update(der);
  }
  return hash.digest('base64');
}
