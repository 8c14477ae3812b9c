import { CodedError } from '../../errors/index.ts';
import { type SpiffeId, trustDomainOf } from '../id/spiffe-id.ts';
import type { TrustDomain } from '../id/trust-domain.ts';

/** The proof of an identity that a peer or caller presented is not accepted. */
export class SvidError<Code extends string> extends CodedError<Code> {
  /** The claimed ID, as far as it could be read; whether it is proven depends on the code. */
  readonly claimedId: SpiffeId | undefined;

  constructor(code: Code, message: string, options: ErrorOptions & { claimedId?: SpiffeId } = {}) {
    super(code, message, options);
    this.claimedId = options.claimedId;
  }

  /** The trust domain of the claimed ID. */
  get trustDomain(): TrustDomain | undefined {
    return this.claimedId === undefined ? undefined : trustDomainOf(this.claimedId);
  }
}
