import { isSpiffeId, type SpiffeId, type TrustDomain, trustDomainOf } from '../../spiffe/index.ts';

/**
 * Reads the issuer that a statement claims, without any proof. That is enough to drop it before
 * anything costly is done. Undefined where it cannot be read.
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
