import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BundleError, pemFromCertificates, portableAuthorityFromDer } from '../../src/spiffe/index.ts';
import { oddRoots } from '../../testkit/odd-roots.ts';
import { randomRoot } from '../../testkit/random-roots.ts';
import type { InteropCheck } from './program.ts';

const RANDOM_ROOTS = 3000;

/** Whether a program reads all roots of a PEM file; the reason where it does not. */
export type RootReader = (
  executable: string,
  pem: string,
) => string | undefined | Promise<string | undefined>;

/**
 * What counts as an authority of a peer, other programs read: odd roots that we take, and as many random ones, in one pool each. `canary`
 * names an odd root that the program refuses, so that one which reads nothing does not pass.
 */
export function rootChecks(read: RootReader, canary: string): readonly InteropCheck[] {
  return [
    {
      name: 'it reads every odd root that counts as an authority of a peer',
      run: async (executable) => {
        const odd = oddRoots();
        await all(
          executable,
          read,
          odd.filter(({ der }) => counts(der)),
        );
        const refused = odd.find(({ name }) => name === canary);
        assert(refused, `there is no odd root called ${canary}`);
        assert.notEqual(await ask(executable, read, [refused.der]), undefined, `it reads ${canary}`);
      },
    },
    {
      name: `it reads those of ${RANDOM_ROOTS} random roots that count`,
      run: async (executable) => {
        const random = Array.from({ length: RANDOM_ROOTS }, (_, seed) => ({
          name: `random root ${seed}`,
          der: randomRoot(seed),
        }));
        const counting = random.filter(({ der }) => counts(der));
        assert(counting.length > RANDOM_ROOTS / 20, `only ${counting.length} random roots count`);
        await all(executable, read, counting);
      },
    },
  ];
}

function counts(der: Uint8Array): boolean {
  try {
    portableAuthorityFromDer(der);
    return true;
  } catch (error) {
    if (error instanceof BundleError) return false;
    throw error;
  }
}

type NamedRoot = { readonly name: string; readonly der: Uint8Array };

/** Halves a pool that is refused until the root is found. */
async function all(executable: string, read: RootReader, roots: readonly NamedRoot[]): Promise<void> {
  const why = await ask(
    executable,
    read,
    roots.map(({ der }) => der),
  );
  if (why === undefined) return;
  const [only] = roots;
  if (roots.length === 1 && only) assert.fail(`${only.name} counts, and is refused: ${why}`);
  const half = Math.ceil(roots.length / 2);
  await all(executable, read, roots.slice(0, half));
  await all(executable, read, roots.slice(half));
  assert.fail(`${roots.length} roots are refused together, each of them is read: ${why}`);
}

async function ask(
  executable: string,
  read: RootReader,
  roots: readonly Uint8Array[],
): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'federate-roots-'));
  try {
    const pem = join(folder, 'roots.pem');
    writeFileSync(pem, pemFromCertificates(roots));
    return await read(executable, pem);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
