import { describe, expect, it } from 'vitest';
import { parseRouteTable } from '../../src/gateway/index.ts';

describe('parseRouteTable()', () => {
  const table = parseRouteTable({
    'info.example': 'a:1',
    '*.example': 'b:2',
    '*.deep.example': 'c:3',
    'v6.example': '[::1]:4',
  });

  it.each([
    ['info.example', 'a:1'],
    ['other.example', 'b:2'],
    ['x.y.example', 'b:2'],
    ['x.deep.example', 'c:3'],
    ['deep.example', 'b:2'],
    ['v6.example', '::1:4'],
  ])('sends %s to %s: the exact name first, then the longest suffix', (name, target) => {
    const found = table.lookup(name)?.target;
    expect(`${found?.host}:${found?.port}`).toBe(target);
  });

  it.each(['example', 'info.example.com', 'com'])('has no default route: %s goes nowhere', (name) => {
    expect(table.lookup(name)).toBeUndefined();
  });

  it.each([
    [{ 'a b': 'x:1' }, 'route-invalid'],
    [{ '*': 'x:1' }, 'route-invalid'],
    [{ 'a.*.example': 'x:1' }, 'route-invalid'],
    [{ a: 'x' }, 'route-invalid'],
    [{ a: 'x:0' }, 'route-invalid'],
    [{ a: 'x:70000' }, 'route-invalid'],
    [{ a: 7 }, 'route-invalid'],
    [{ 'A.example': 'x:1', 'a.example': 'y:2' }, 'route-duplicate'],
    [['a'], 'routes-not-a-table'],
    [null, 'routes-not-a-table'],
  ])('refuses %j', (value, code) => {
    expect(() => parseRouteTable(value)).toThrowError(expect.objectContaining({ code }));
  });
});
