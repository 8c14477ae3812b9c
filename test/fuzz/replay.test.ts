import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { must } from '../../fuzz/must.ts';
import { SEEDS } from '../../fuzz/seeds.ts';
import { fuzz as bundleDocument } from '../../fuzz/targets/bundle-document.ts';
import { fuzz as catalogue } from '../../fuzz/targets/catalogue.ts';
import { fuzz as certificate } from '../../fuzz/targets/certificate.ts';
import { fuzz as clientHello } from '../../fuzz/targets/client-hello.ts';

const TARGETS = {
  'bundle-document': bundleDocument,
  catalogue,
  'client-hello': clientHello,
  certificate,
} as const;
/** How often each seed is damaged in the gate; hours of it are for `npm run fuzz`. */
const DAMAGED = 30;

describe.each(Object.keys(SEEDS) as (keyof typeof SEEDS)[])('fuzz target %s', (name) => {
  const target = TARGETS[name];

  it('holds for every seed, and for seeds cut and with single bytes changed', async () => {
    const seeds = await SEEDS[name]();
    expect(seeds.length).toBeGreaterThan(2);
    for (const seed of seeds) {
      target(seed);
      for (let round = 0; round < DAMAGED; round += 1) {
        const place = Math.floor((seed.length * round) / DAMAGED);
        const changed = Uint8Array.from(seed);
        changed[place] = (changed[place] ?? 0) ^ (1 << (round % 8));
        target(changed);
        target(seed.subarray(0, place));
      }
    }
  });

  it('holds for every input that once found something', () => {
    const folder = join('fixtures/fuzz', name);
    const found = existsSync(folder) ? readdirSync(folder) : [];
    for (const file of found) expect(() => target(readFileSync(join(folder, file)))).not.toThrow();
  });
});

describe('must()', () => {
  it('throws what does not hold, and nothing else', () => {
    expect(() => must(false, 'this holds')).toThrow('this holds');
    expect(() => must(true, 'this holds')).not.toThrow();
  });
});
