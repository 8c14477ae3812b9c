import { z } from 'zod';
import { createForbiddenRanges } from '../federation/index.ts';

/** A range of IP addresses in CIDR notation. */
export const addressRange = () =>
  z.string().refine(isRange, 'a range is an address and a prefix length, such as "10.0.0.0/8" or "fd00::/8"');

function isRange(text: string): boolean {
  try {
    createForbiddenRanges([text]);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
