import { randomBytes } from 'node:crypto';

/** Randomness, passed in so that tests can fix it. */
export interface Random {
  /** A number in [0, 1), for jitter. Not for secrets. */
  fraction(): number;
  /** `length` bytes fit for secrets and nonces. */
  bytes(length: number): Uint8Array;
}

export const systemRandom: Random = {
  fraction: () => Math.random(),
  bytes: (length) => randomBytes(length),
};
