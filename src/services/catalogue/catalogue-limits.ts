/** How much a catalogue may have, for its owner and for its reader. */
export const CATALOGUE_LIMITS = {
  /** Of the signed statement. */
  characters: 512 * 1024,
  services: 1000,
  portsOfService: 32,
  identitiesOfService: 64,
  callersOfService: 100,
  gateways: 16,
  directAddressesOfPort: 8,
  /** A gateway or a direct address has a priority from 0 to this. */
  priority: 127,
  /** Between `iat` and `exp`. */
  lifetimeMs: 31 * 24 * 60 * 60_000,
  /** Of the hint for the next poll. */
  hintSeconds: 7 * 24 * 60 * 60,
} as const;
