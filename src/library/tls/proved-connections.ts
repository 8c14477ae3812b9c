import type { TLSSocket } from 'node:tls';
import {
  ConnectionRegistry,
  createSpiffeVerifier,
  type PeerRole,
  type PeerVerifier,
  type VerifiedPeer,
} from '../../mtls/index.ts';
import { backgroundClock, silentLog } from '../../platform/index.ts';
import type { BundleSource } from '../../spiffe/index.ts';
import type { MtlsOptions } from './mtls-options.ts';

const peers = new WeakMap<object, VerifiedPeer>();

/**
 * The proved peer of a TLS socket that a helper of this library has opened or accepted, such as
 * `request.socket` in a handler of `createHttpsServer`. Throws `TypeError` for every other object,
 * so that an unproved connection never passes for a proved one.
 */
export function peerOf(socket: object): VerifiedPeer {
  const peer = peers.get(socket);
  if (!peer)
    throw new TypeError('the peer of this object is not proved: it is not a socket of an mTLS helper');
  return peer;
}

/**
 * The open connections of one server or client. A connection ends when the bundles no longer prove
 * its peer, and when a certificate on the peer's path ends (FED-61). It follows the bundles only
 * while a connection is open, so that there is nothing to close.
 */
export class ProvedConnections {
  readonly verifier: PeerVerifier;
  readonly #bundles: BundleSource;
  readonly #registry: ConnectionRegistry;
  #unfollow: (() => void) | undefined;

  constructor({
    bundles,
    strictKeyUsage,
    clock = backgroundClock,
  }: Pick<MtlsOptions, 'bundles' | 'strictKeyUsage' | 'clock'>) {
    this.#bundles = bundles;
    this.verifier = createSpiffeVerifier({ bundles, clock, strictKeyUsage });
    this.#registry = new ConnectionRegistry({ clock, log: silentLog });
  }

  add(socket: TLSSocket, peer: VerifiedPeer, peerRole: PeerRole): void {
    peers.set(socket, peer);
    if (socket.destroyed) return;
    this.#registry.add({ socket, peer, peerRole });
    this.#unfollow ??= this.#bundles.onChange?.(() => void this.#registry.reverify(this.verifier));
    socket.once('close', () => {
      if (this.#registry.size > 0) return;
      this.#unfollow?.();
      this.#unfollow = undefined;
    });
  }
}
