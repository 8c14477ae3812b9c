import { isIP } from 'node:net';
import { type AddressGuard } from '../fetch/address-guard.ts';
import { addressKind } from '../fetch/address-kind.ts';
import { hostOf } from '../fetch/open-tcp.ts';

/**
 * Where the addresses of an invitation may lead, which others have written: never where no endpoint
 * is, nowhere the operator forbids, and to this machine only where we ourselves are reached at it.
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
