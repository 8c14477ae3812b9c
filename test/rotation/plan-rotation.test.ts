import { describe, expect, it } from 'vitest';
import { planHint, planLifetime, planRoots } from '../../src/rotation/index.ts';
import { at, now, ownRoot, viewOf } from './rotation-world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const { times } = viewOf();
const found = (findings: readonly { level: string; code: string }[]) =>
  findings.map(({ level, code }) => `${level} ${code}`);
const lifetime = (lifetimeMs: number, hintMs: number, leafLifetimeMs = MINUTE) =>
  found(planLifetime(lifetimeMs, { hintMs, leafLifetimeMs }));

describe('planLifetime()', () => {
  it('finds that a CA of ten minutes cannot work with a hint of five', () => {
    expect(lifetime(10 * MINUTE, 5 * MINUTE)).toEqual(['impossible hint-too-long']);
    expect(planLifetime(10 * MINUTE, { hintMs: 5 * MINUTE, leafLifetimeMs: MINUTE })[0]?.message).toMatch(
      /have a hint of 2m at most$/,
    );
    expect(lifetime(10 * MINUTE, 2 * MINUTE)).toEqual([]);
  });

  it('finds it risky with a hint above a fifth of the lifetime', () => {
    expect(lifetime(15 * MINUTE, 5 * MINUTE)).toEqual(['impossible hint-too-long']);
    expect(lifetime(16 * MINUTE, 5 * MINUTE)).toEqual(['risky hint-long']);
    expect(lifetime(25 * MINUTE, 5 * MINUTE)).toEqual([]);
  });

  it('finds it risky when identities outlive their root', () => {
    expect(lifetime(24 * HOUR, 5 * MINUTE, 24 * HOUR)).toEqual(['risky identities-outlive-root']);
  });
});

describe('planRoots()', () => {
  const plan = (...roots: ReturnType<typeof ownRoot>[]) => found(planRoots(roots, times, now));
  const ending = (number: number, seconds: number, stage: 'in-use' | 'published' | 'retiring' = 'in-use') => {
    const { authority, life } = ownRoot(number, stage);
    return { life, authority: { ...authority, notBefore: at(-365 * 24 * 3600), notAfter: at(seconds) } };
  };

  it('finds nothing about roots that live for long', () => {
    expect(plan(ownRoot(1, 'in-use'))).toEqual([]);
    expect(plan()).toEqual([]);
  });

  it('tells of a root that nears its end as long as there is none after it', () => {
    // Five hints and the longest life of an identity: 85 minutes.
    expect(plan(ending(1, 85 * 60))).toEqual([]);
    expect(plan(ending(1, 85 * 60 - 1))).toEqual(['risky root-ends']);
    expect(plan(ending(1, 15 * 60 - 1))).toEqual(['impossible root-ends']);
    expect(plan(ending(1, 60), ending(2, 365 * 24 * 3600, 'published'))).toEqual([]);
    expect(plan(ending(1, 60, 'retiring'), ending(2, 365 * 24 * 3600))).toEqual([]);
  });
});

describe('planHint()', () => {
  it('notes that not every peer follows a hint below a minute', () => {
    expect(found(planHint({ hintMs: MINUTE - 1 }))).toEqual(['note hint-below-a-minute']);
    expect(planHint({ hintMs: MINUTE })).toEqual([]);
  });
});
