import { copyFileSync, existsSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentDigest } from '../../src/spiffe/index.ts';
import type { Store } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { added, at, bundle, istio, relationship, start, version } from './sample-bundles.ts';

type Step =
  | { readonly kind: 'add' | 'replace'; readonly numbers: number[] }
  | { readonly kind: 'remove' | 'fresh' | 'incident' | 'crash' };

const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('add' as const), numbers }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('replace' as const), numbers }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom('remove', 'fresh', 'incident', 'crash', 'crash') }),
    },
  ),
  { minLength: 3, maxLength: 20 },
);

/**
 * What the store must hold: the current digest, its version, and the digest of every version ever.
 */
interface Model {
  held: string | null;
  number: number;
  readonly digests: string[];
}

async function perform(
  store: Store,
  model: Model,
  step: Exclude<Step, { kind: 'crash' }>,
  turn: number,
): Promise<void> {
  if (step.kind === 'add' && model.held === null) {
    const first = bundle(step.numbers);
    await store.addRelationship(relationship(), version(first, at(turn), 'bootstrap'), added());
    model.held = contentDigest(first);
    model.digests.push(model.held);
    return;
  }
  if (model.held === null) return;
  if (step.kind === 'replace') {
    const next = bundle(step.numbers);
    const written = await store.replaceCurrent({
      trustDomain: istio,
      expectedDigest: model.held,
      version: version(next, at(turn)),
    });
    if (written === 'conflict') throw new Error('nobody else writes here');
    if (contentDigest(next) !== model.held) model.digests.push(contentDigest(next));
    model.held = contentDigest(next);
  } else if (step.kind === 'remove') {
    await store.removeRelationship(istio, { at: at(turn), actor: 'operator:0', reason: 'over' });
    model.held = null;
  } else if (step.kind === 'fresh') {
    await store.updateRelationship(istio, { lastSuccessAt: at(turn) });
  } else if (step.kind === 'incident') {
    const incident = {
      kind: 'endpoint-unreachable',
      code: 'connect-failed',
      message: 'no',
      origin: 'x',
      actor: 'agent',
    } as const;
    await store.recordIncident({ at: at(turn), trustDomain: istio, ...incident });
  }
}

/**
 * The store as another process finds it after this one was cut off: its files unchanged, nothing
 * closed.
 */
async function afterCrash(path: string, copy: string): Promise<Store> {
  for (const suffix of ['', '-wal'])
    if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
  return openTestStore({ path: copy, create: false });
}

describe('openSqliteStore() after crashes', () => {
  it('holds every acknowledged write, and its history replays to the current bundles', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        using folder = tempDir();
        const model: Model = { held: null, number: 0, digests: [] };
        let path = folder.file('0.db');
        let store = await openTestStore({ path });
        const opened = [store];
        try {
          for (const [turn, step] of [...all, { kind: 'crash' } as const].entries()) {
            if (step.kind !== 'crash') {
              await perform(store, model, step, turn + 1);
              continue;
            }
            const copy = folder.file(`${turn + 1}.db`);
            store = await afterCrash(path, copy);
            path = copy;
            opened.push(store);
            const history = (await store.history(istio, { limit: 1000 })).toReversed();
            expect(history.map(({ digest }) => digest)).toEqual(model.digests);
            expect(history.map(({ number }) => number)).toEqual(history.map((_, index) => index + 1));
            expect((await store.current(istio))?.digest ?? null).toBe(model.held);
            expect((await store.relationship(istio)) === undefined).toBe(model.held === null);
            const keys = new Set<string>();
            for (const { verdict, diff } of history) {
              if (verdict === 'bootstrap') keys.clear();
              for (const { fingerprint } of diff.removed) keys.delete(fingerprint);
              for (const { fingerprint } of diff.added) keys.add(fingerprint);
            }
            const last = history.at(-1)?.bundle.x509Authorities ?? [];
            expect([...keys].sort()).toEqual(last.map(({ fingerprint }) => fingerprint).sort());
            expect(await store.bundleAt(istio, start)).toBeUndefined();
          }
        } finally {
          for (const each of opened) await each.close();
        }
      }),
      { numRuns: 25 },
    );
  });
});
