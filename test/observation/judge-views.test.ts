import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeHeadsInTurn, judgeViews, VIEW_GRACE_MS } from '../../src/observation/judge-views.ts';
import type { SeenVersion } from '../../src/observation/seen-claims.ts';

const start = Date.parse('2030-01-01T12:00:00Z');
const at = (ms: number) => new Date(start + ms);
const version = (sequence: bigint | undefined, content: string, ms = 0): SeenVersion => ({
  digest: content.repeat(64),
  at: at(ms),
  ...(sequence === undefined ? {} : { sequence }),
});
const view = (versions: readonly SeenVersion[], confirmedMs = 0) => ({
  versions,
  confirmedAt: at(confirmedMs),
});

describe('judgeViews()', () => {
  it('finds nothing where both saw the same, or what cannot be compared', () => {
    const same = view([version(2n, 'b'), version(1n, 'a')]);
    expect(judgeViews(same, same)).toBeUndefined();
    expect(judgeViews(view([]), same)).toBeUndefined();
    expect(judgeViews(view([version(undefined, 'a')]), view([version(undefined, 'b')]))).toBeUndefined();
    expect(judgeViews(view([version(1n, 'a')]), view([version(2n, 'b')]))).toBeUndefined();
  });

  it('finds one number with two contents, in newer and in older versions', () => {
    expect(judgeViews(view([version(2n, 'b')]), view([version(2n, 'c')]))?.code).toBe('other-content');
    const ours = view([version(3n, 'd'), version(2n, 'b')]);
    expect(judgeViews(ours, view([version(2n, 'c')]))).toEqual({
      code: 'other-content',
      ours: version(2n, 'b'),
      theirs: version(2n, 'c'),
    });
  });

  it('finds no conflict where one of us saw both contents of a number (FED-50)', () => {
    const both = view([version(2n, 'c', 1), version(2n, 'b')]);
    expect(judgeViews(both, view([version(2n, 'b')]))).toBeUndefined();
    expect(judgeViews(both, view([version(2n, 'c')]))).toBeUndefined();
  });

  it('finds an endpoint that keeps the newest from one of us, once caches and clocks explain it no more', () => {
    const newer = view([version(2n, 'b')]);
    const older = (confirmedMs: number) => view([version(1n, 'a')], confirmedMs);
    expect(judgeViews(older(VIEW_GRACE_MS), newer)).toBeUndefined();
    expect(judgeViews(older(VIEW_GRACE_MS + 1), newer)?.code).toBe('kept-from-us');
    expect(judgeViews(newer, older(VIEW_GRACE_MS + 1))?.code).toBe('kept-from-peer');
  });

  it('never accuses an honest endpoint, however late and seldom the two of us polled', () => {
    const poll = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(poll, poll, (ours, theirs) => {
        // Version n is published at hour n; who polls at hour n sees it.
        const seen = (hours: readonly number[]) => {
          const sorted = [...new Set(hours)].sort((a, b) => b - a);
          const hour = 3_600_000;
          return view(
            sorted.map((n) => version(BigInt(n), 'abcdef'[n % 6] ?? '0', n * hour)),
            (sorted[0] ?? 0) * hour,
          );
        };
        expect(judgeViews(seen(ours), seen(theirs))).toBeUndefined();
      }),
    );
  });
});

describe('judgeHeadsInTurn()', () => {
  const head = (number: number, hash: string, chain = 'c') => ({ number, hash, chain });
  it('takes a head that goes on, and the same again', () => {
    expect(judgeHeadsInTurn(head(5, 'a'), head(5, 'a'))).toBeUndefined();
    expect(judgeHeadsInTurn(head(5, 'a'), head(9, 'b'))).toBeUndefined();
  });
  it.each([
    ['an earlier end', head(4, 'x'), 'ends at link 4'],
    ['another link of that number', head(5, 'x'), 'not the one'],
    ['another history', head(9, 'x', 'd'), 'another history'],
  ])('tells %s', (_, after, why) => {
    expect(judgeHeadsInTurn(head(5, 'a'), after)).toContain(why);
  });
});
