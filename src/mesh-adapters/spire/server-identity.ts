import type { TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../errors.ts';
import type { OwnTrust } from '../mesh-adapter.ts';

/**
 * Which trust domain the SPIRE server stands for: what the config says, else what it said first. A server of another one behind the
 * same socket would be given trust that is not meant for it, and lose bundles that are not ours.
 */
export class ServerIdentity {
  #expected: TrustDomain | undefined;

  constructor(expected: TrustDomain | undefined) {
    this.#expected = expected;
  }

  /** The own trust, of the right server; `noted` is the one that was written to before. Throws `MeshAdapterError` `own-trust-domain-changed`. */
  check(own: OwnTrust, noted?: TrustDomain): OwnTrust {
    const expected = this.#expected ?? noted;
    for (const name of [expected, noted]) {
      if (name === undefined || name === own.trustDomain) continue;
      const message = `the SPIRE server stands for ${own.trustDomain}, and this agent for ${name}`;
      throw new MeshAdapterError('own-trust-domain-changed', message);
    }
    this.#expected = own.trustDomain;
    return own;
  }
}
