import { join } from 'node:path';

/** A leaf, an intermediate and a root of `td.example`, one behind the other. */
export const CHAIN_FILE = join(process.cwd(), 'fixtures/fuzz/chain.pem');
/** An instant at which they are all valid. */
export const CHAIN_INSTANT = new Date('2030-01-01T12:00:00Z');
