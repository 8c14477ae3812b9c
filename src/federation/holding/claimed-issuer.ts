import { isSpiffeId, type SpiffeId, type TrustDomain, trustDomainOf } from '../../spiffe/index.ts';

/**
 * Who a statement claims to be from, read without any proof: enough to drop it before anything
 * costly is done. Undefined where that cannot be read.
 */
export function claimedIssuer(
  token: string,
): { readonly id: SpiffeId; readonly trustDomain: TrustDomain } | undefined {
  const claims = token.split('.', 2)[1];
  if (claims === undefined) return undefined;
  const found = /"iss":"(spiffe:[^"\\]{1,2048})"/.exec(
    Buffer.from(claims, 'base64url').toString('utf8'),
  )?.[1];
  if (found === undefined || !isSpiffeId(found)) return undefined;
  return { id: found, trustDomain: trustDomainOf(found) };
}
