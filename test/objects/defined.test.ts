import { describe, expect, expectTypeOf, it } from 'vitest';
import { defined } from '../../src/objects/index.ts';

describe('defined()', () => {
  it('keeps every value that is not undefined, also the falsy ones', () => {
    const members = { zero: 0, none: null, empty: '', no: false, gone: undefined };
    expect(defined(members)).toStrictEqual({ zero: 0, none: null, empty: '', no: false });
  });

  it('leaves an undefined member out, so that it replaces nothing', () => {
    const code: string | undefined = [].at(0);
    expect({ code: 'before', ...defined({ code }) }).toStrictEqual({ code: 'before' });
  });

  it('copies a member named __proto__ as a member', () => {
    const copy = defined(JSON.parse('{"__proto__": {"trusted": true}}') as object);
    expect(Object.keys(copy)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
  });

  it('makes each member optional, and never undefined', () => {
    const reason = { code: undefined } as { code: 'late' | undefined; at: Date };
    expectTypeOf(defined(reason)).toEqualTypeOf<{ code?: 'late'; at?: Date }>();
  });
});
