import { describe, expect, it } from 'vitest';
import { jsonPatch, mergePatch } from '../../../src/demonstration/simulated-mesh/istio/patch.ts';

describe('mergePatch()', () => {
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ a: 'b' }, { b: { c: null } }, { a: 'b', b: {} }],
  ])('does as the examples of RFC 7396: %j with %j', (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result);
  });

  it('leaves the target alone', () => {
    const target = { a: { b: 'c' } };
    mergePatch(target, { a: { b: null } });
    expect(target).toEqual({ a: { b: 'c' } });
  });
});

describe('jsonPatch()', () => {
  it.each([
    [{ a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
    [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    [{ a: [1, 2] }, [{ op: 'remove', path: '/a/0' }], { a: [2] }],
    [{ a: 1 }, [{ op: 'replace', path: '/a', value: 2 }], { a: 2 }],
    [{ a: 1 }, [{ op: 'move', from: '/a', path: '/b' }], { b: 1 }],
    [{ a: { x: 1 } }, [{ op: 'copy', from: '/a', path: '/b' }], { a: { x: 1 }, b: { x: 1 } }],
    [
      { 'a/b': 1, 'm~n': 2 },
      [
        { op: 'remove', path: '/a~1b' },
        { op: 'test', path: '/m~0n', value: 2 },
      ],
      { 'm~n': 2 },
    ],
  ])('applies %j with %j', (target, patch, result) => {
    expect(jsonPatch(target, patch)).toEqual(result);
  });

  it.each([
    ['a failed test', [{ op: 'test', path: '/a', value: 2 }], 'Invalid'],
    ['replacing what is not there', [{ op: 'replace', path: '/b', value: 2 }], 'Invalid'],
    ['removing what is not there', [{ op: 'remove', path: '/b/c' }], 'Invalid'],
    ['removing everything', [{ op: 'remove', path: '' }], 'Invalid'],
    ['an unknown operation', [{ op: 'none', path: '/a' }], 'BadRequest'],
    ['a pointer that is none', [{ op: 'remove', path: 'a' }], 'BadRequest'],
    ['a value that is not a list', {}, 'BadRequest'],
    ['a value that is not an operation', [1], 'BadRequest'],
  ])('refuses %s', (_what, patch, code) => {
    expect(() => jsonPatch({ a: 1 }, [{ op: 'test', path: '/a', value: 1 }])).not.toThrow();
    expect(() => jsonPatch({ a: 1 }, patch)).toThrow(expect.objectContaining({ code }));
  });
});
