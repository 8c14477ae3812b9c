import {
  type BundleSource,
  CodedError,
  JsonNumber,
  signStatement,
  type Statement,
  type StatementSigner,
  verifyStatement,
} from '../../spiffe/index.ts';
import type { ChainHead, SignedHead } from '../model/chain.ts';

const TYPE = 'federate-head+jws';
/** The audience of a head: any later verifier. */
const AUDIENCE = 'federate-history';
/** A head is evidence, so it does not expire in practice. */
const VALID_YEARS = 50;

/** A head that its agent signed, as the statement gives it. */
export interface ProvenHead extends ChainHead {
  readonly chain: string;
  readonly statement: Statement;
}

/**
 * Signs a head with our SVID. Rejects with `StatementError` for a key that cannot sign statements.
 */
export async function signHead(
  { number, hash }: ChainHead,
  chain: string,
  signer: StatementSigner,
  at: Date,
): Promise<SignedHead> {
  const expiresAt = new Date(at);
  expiresAt.setUTCFullYear(at.getUTCFullYear() + VALID_YEARS);
  const statement = await signStatement({
    type: TYPE,
    signer,
    audience: AUDIENCE,
    issuedAt: at,
    expiresAt,
    claims: { chain, number, hash },
  });
  return { at, number, hash, chain, signer: signer.id, statement };
}

/** The claims of a head's statement are not a head. */
class HeadError extends CodedError<'head-malformed'> {}

/**
 * Verifies a signed head. Rejects with `StatementError`, and with `HeadError` where the claims are
 * not a head.
 */
export async function proveHead(token: string, bundles: BundleSource, now: Date): Promise<ProvenHead> {
  const statement = await verifyStatement(token, { type: TYPE, audience: AUDIENCE, bundles, now });
  const { claims } = statement;
  const count = claims.get('number');
  const number = count instanceof JsonNumber ? Number(count.integer ?? 0n) : 0;
  const [hash, chain] = [claims.get('hash'), claims.get('chain')];
  if (!Number.isSafeInteger(number) || number < 1 || !isHash(hash) || !isHash(chain))
    throw new HeadError('head-malformed', 'the statement names no link of a history');
  return { number, hash, chain, statement };
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
