import { parseTrustDomain, type TrustDomain } from '../spiffe/index.ts';
import { AgentError } from './errors.ts';

const OURS = 'own';
const SCHEME = 'spiffe://';

/**
 * Parses an operator's argument as a trust domain: a name, `spiffe://` and a name, or `own` for
 * ours. Because a peer may be called `own`, the bare name is refused while one is known. Throws
 * `AgentError` `own-bundle-unknown`, `own-ambiguous`; `TrustDomainError`.
 */
export function namedTrustDomain(
  text: string,
  own: TrustDomain | undefined,
  isPeer: (name: TrustDomain) => boolean,
): TrustDomain {
  if (text.startsWith(SCHEME)) return parseTrustDomain(text.slice(SCHEME.length));
  const name = parseTrustDomain(text);
  if (text !== OURS || own === name) return name;
  if (isPeer(name)) {
    const ours = own === undefined ? 'ours by its name' : `ours as spiffe://${own}`;
    throw new AgentError(
      'own-ambiguous',
      `"own" means our own trust domain, and there is a peer of that name: name the peer as spiffe://own, and ${ours}`,
    );
  }
  if (own === undefined)
    throw new AgentError('own-bundle-unknown', 'our own mesh has not reported its roots yet');
  return own;
}
