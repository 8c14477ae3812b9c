import type { SecureContextOptions } from 'node:tls';
import { type Answer, FakePeer, type FakePeerIdentity, type Greeting, type Reception } from './fake-peer.ts';

/** What a hostile peer does otherwise than a good one; what is left out it does as a good one. */
export interface Deed {
  /** To a TCP connection. */
  readonly reception?: Reception;
  /** What it shows in the handshake. */
  readonly identity?: FakePeerIdentity;
  /** How it speaks TLS. */
  readonly tls?: SecureContextOptions;
  /** What it does after the handshake, unasked. */
  readonly greeting?: Greeting;
  /** How it answers. */
  readonly answer?: Answer;
}

/**
 * A peer with a good side, an endpoint that proves itself and serves its bundle, and every bad one: see `receptions`,
 * `hostileAnswers`, `hostileIdentities` and `hostileDocuments` for what it can do at each stage.
 */
export class HostilePeer {
  readonly fake: FakePeer;
  readonly #good: { readonly identity: FakePeerIdentity; readonly answer: Answer };

  private constructor(
    fake: FakePeer,
    good: { readonly identity: FakePeerIdentity; readonly answer: Answer },
  ) {
    this.fake = fake;
    this.#good = good;
    this.behave();
  }

  static async start(good: {
    readonly identity: FakePeerIdentity;
    readonly answer: Answer;
  }): Promise<HostilePeer> {
    return new HostilePeer(await FakePeer.start(good.identity), good);
  }

  /** Does everything right from the next connection on. */
  behave(): void {
    this.misbehave({});
  }

  /** Does this wrong, and everything else right, from the next connection on. */
  misbehave({ reception = 'tls', identity, tls = {}, greeting = () => {}, answer }: Deed): void {
    this.fake.reception = reception;
    this.fake.greeting = greeting;
    this.fake.become(identity ?? this.#good.identity, tls);
    this.fake.answer = answer ?? this.#good.answer;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.fake.close();
  }
}
