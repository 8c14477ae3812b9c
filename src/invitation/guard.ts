import { isIP } from 'node:net';
import { type AddressGuard, addressKind, hostOf } from '../federation/index.ts';

/**
 * Refuses addresses in an invitation, because another party wrote them: those without an endpoint
 * and those that the operator forbids. This machine is allowed only where our own endpoint is
 * reached at it.
 */
export function invitationGuard(ownUrl: URL, forbidden: AddressGuard | undefined): AddressGuard {
  const here = hostOf(ownUrl);
  const amongOurselves = isIP(here) ? addressKind(here) === 'loopback' : /(^|\.)localhost\.?$/i.test(here);
  return (address) => {
    const kind = addressKind(address);
    if (kind === 'special') return 'no bundle endpoint is there';
    if (kind === 'loopback' && !amongOurselves) return 'that is this machine itself';
    return forbidden?.(address);
  };
}
