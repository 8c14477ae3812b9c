import {
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from '../../spiffe/index.ts';
import { messageOf } from '../../errors/index.ts';
import { AccessError } from './errors.ts';

/** Whom a rule is about: one identity, or every identity of a trust domain. */
export type Caller =
  | { readonly kind: 'identity'; readonly id: SpiffeId }
  | { readonly kind: 'trust-domain'; readonly trustDomain: TrustDomain };

/**
 * A caller from `spiffe://b.example/ns/x/sa/y` or from `b.example`. An ID without a path is refused,
 * because it reads like a whole trust domain and is not one. Throws `AccessError` `caller-invalid`.
 */
export function parseCaller(text: string): Caller {
  if (!text.startsWith('spiffe://'))
    return { kind: 'trust-domain', trustDomain: read(text, parseTrustDomain) };
  const id = read(text, parseSpiffeId);
  if (pathOf(id) !== '') return { kind: 'identity', id };
  throw new AccessError(
    'caller-invalid',
    `${id} is the ID of the trust domain itself: write ${trustDomainOf(id)} for all of its identities`,
  );
}

/** The text that `parseCaller` reads. */
export function callerText(caller: Caller): string {
  return caller.kind === 'identity' ? caller.id : caller.trustDomain;
}

export function trustDomainOfCaller(caller: Caller): TrustDomain {
  return caller.kind === 'identity' ? trustDomainOf(caller.id) : caller.trustDomain;
}

export function isCaller(caller: Caller, id: SpiffeId): boolean {
  return caller.kind === 'identity' ? caller.id === id : id.startsWith(`spiffe://${caller.trustDomain}/`);
}

/** Whether `outer` is `inner`, or has it among its identities. */
export function covers(outer: Caller, inner: Caller): boolean {
  if (inner.kind === 'identity') return isCaller(outer, inner.id);
  return outer.kind === 'trust-domain' && outer.trustDomain === inner.trustDomain;
}

function read<Value>(text: string, parse: (text: string) => Value): Value {
  try {
    return parse(text);
  } catch (cause) {
    throw new AccessError(
      'caller-invalid',
      `a caller is a SPIFFE ID with a path, or the name of a trust domain: ${messageOf(cause)}`,
      { cause },
    );
  }
}
