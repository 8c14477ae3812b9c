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
/** Heads are for whoever looks later. */
const AUDIENCE = 'federate-history';
/** A head is evidence for as long as anybody may ask. */
const VALID_YEARS = 50;

/** A head that its agent signed, as its statement says it. */
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

/** A head's statement says something that is no head. */
export class HeadError extends CodedError<'head-malformed'> {}

/**
 * Proves a head that somebody signed. Rejects with `StatementError`, and with `HeadError` where the
 * claims are no head.
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
