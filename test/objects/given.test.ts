import { describe, expect, expectTypeOf, it } from 'vitest';
import { given } from '../../src/objects/index.ts';

describe('given()', () => {
  it('uses every value, also the falsy ones', () => {
    expect(['', 0, false, 'x'].map((value) => given(value, String))).toEqual(['', '0', 'false', 'x']);
  });

  it('is undefined without a value, and then uses nothing', () => {
    const use = (): never => {
      throw new Error('used');
    };
    expect(given(undefined, use)).toBeUndefined();
    expect(given(null, use)).toBeUndefined();
  });

  it('has the type of the result, or undefined', () => {
    expectTypeOf(given('5' as string | null, BigInt)).toEqualTypeOf<bigint | undefined>();
  });
});
