import { beforeAll, describe, expect, it } from 'vitest';
import { judgeRootStages, judgeSigning, type Signing } from '../../src/rotation/index.ts';
import { bundleOf, type X509Authority } from '../../src/spiffe/index.ts';
import type { RootLife, RootStage } from '../../src/store/index.ts';
import { type Authority, createAuthority } from '../federation/authority.ts';
import { at, now, us } from './rotation-world.ts';

let first: X509Authority;
let second: X509Authority;
beforeAll(async () => {
  const made: Authority[] = await Promise.all([
    createAuthority('root 1', now),
    createAuthority('root 2', now),
  ]);
  [first, second] = made.map(({ x509 }) => x509) as [X509Authority, X509Authority];
});

const signing = (...roots: readonly X509Authority[]): Signing => ({
  fingerprints: new Set(roots.map(({ fingerprint }) => fingerprint)),
  knownBy: 'mesh',
});
const life = ({ fingerprint }: X509Authority, stage: RootStage): RootLife => ({
  trustDomain: us,
  fingerprint,
  label: 'label',
  stage,
  since: at(-60),
  knownBy: 'mesh',
  publishedAt: at(-120),
});
const stages = (
  roots: readonly X509Authority[],
  lives: readonly RootLife[],
  signs: Signing | undefined,
): (readonly [string, RootStage, string])[] =>
  judgeRootStages({ bundle: bundleOf(us, roots), lives, signing: signs, now }).map((change) => [
    change.fingerprint,
    change.stage,
    change.knownBy,
  ]);

describe('judgeRootStages()', () => {
  it('tells a root that is new as published, and as in use when it signs', () => {
    expect(stages([first], [], signing(first))).toEqual([
      [first.fingerprint, 'published', 'bundle'],
      [first.fingerprint, 'in-use', 'mesh'],
    ]);
    expect(stages([first], [], undefined)).toEqual([[first.fingerprint, 'published', 'bundle']]);
  });

  it('goes through a rotation, one stage after the other', () => {
    const before = [life(first, 'in-use')];
    expect(stages([first, second], before, signing(first))).toEqual([
      [second.fingerprint, 'published', 'bundle'],
    ]);
    const published = [...before, life(second, 'published')];
    const turned = stages([first, second], published, signing(second));
    expect(turned).toHaveLength(2);
    expect(turned).toContainEqual([first.fingerprint, 'retiring', 'mesh']);
    expect(turned).toContainEqual([second.fingerprint, 'in-use', 'mesh']);
    const retiring = [life(first, 'retiring'), life(second, 'in-use')];
    expect(stages([second], retiring, signing(second))).toEqual([[first.fingerprint, 'gone', 'bundle']]);
  });

  it('finds nothing a second time, and nothing where nobody knows what signs', () => {
    const lives = [life(first, 'retiring'), life(second, 'in-use')];
    expect(stages([first, second], lives, signing(second))).toEqual([]);
    expect(stages([first, second], lives, undefined)).toEqual([]);
  });

  it('lets a root that retired sign again, and one that was gone be published again', () => {
    expect(stages([first], [life(first, 'retiring')], signing(first))).toEqual([
      [first.fingerprint, 'in-use', 'mesh'],
    ]);
    expect(stages([first], [life(first, 'gone')], undefined)).toEqual([
      [first.fingerprint, 'published', 'bundle'],
    ]);
  });
});

describe('judgeSigning()', () => {
  const judge = (roots: readonly X509Authority[], reported?: Signing, ownAnchor?: string) =>
    judgeSigning({ bundle: bundleOf(us, roots), reported, ownAnchor })?.knownBy;

  it('believes the mesh before our own SVID, and that before there being only one root', () => {
    expect(judge([first, second], signing(first), second.fingerprint)).toBe('mesh');
    expect(judge([first, second], undefined, second.fingerprint)).toBe('own-svid');
    expect(judge([first])).toBe('only-root');
  });

  it('does not know what signs without a report, or when the reported root is not ours', () => {
    expect(judge([first, second])).toBeUndefined();
    expect(judge([first], signing(second), 'none')).toBeUndefined();
    expect(judge([first], signing(second), first.fingerprint)).toBe('own-svid');
  });
});
