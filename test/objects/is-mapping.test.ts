import { describe, expect, it } from 'vitest';
import { isMapping } from '../../src/objects/index.ts';

describe('isMapping()', () => {
  it.each([
    [{}],
    [{ a: 1 }],
    [Object.create(null)],
    [JSON.parse('{"__proto__":1}')],
  ])('accepts %j', (value) => {
    expect(isMapping(value)).toBe(true);
  });

  it.each([[null], [undefined], [[]], ['text'], [7], [() => 1]])('refuses %j', (value) => {
    expect(isMapping(value)).toBe(false);
  });
});
