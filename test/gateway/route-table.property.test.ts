import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRouteTable, RouteTableError } from '../../src/gateway/index.ts';

const label = fc.stringMatching(/^[a-z0-9-]{1,5}$/);
const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const route = fc.tuple(fc.constantFrom('', '*.'), host).map((parts) => parts.join(''));

describe('parseRouteTable()', () => {
  it('is a table, or is refused with a RouteTableError, for any input', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.anything(), fc.dictionary(fc.oneof(route, fc.string()), fc.anything())),
        (value) => {
          let table: ReturnType<typeof parseRouteTable> | undefined;
          try {
            table = parseRouteTable(value);
          } catch (error) {
            if (!(error instanceof RouteTableError)) throw error;
          }
          expect(table?.lookup('nowhere.example')).toBeUndefined();
        },
      ),
    );
  });

  it('leads to the exact name, else to the longest suffix, else nowhere', () => {
    const tables = fc.dictionary(route, fc.integer({ min: 1, max: 65_535 }), { maxKeys: 8 });
    fc.assert(
      fc.property(tables, host, (ports, name) => {
        const text = Object.fromEntries(
          Object.entries(ports).map(([key, port]) => [key, `127.0.0.1:${port}`]),
        );
        const suffixes = Object.keys(ports)
          .filter(
            (key) => key.startsWith('*.') && name.endsWith(key.slice(1)) && name.length > key.length - 1,
          )
          .sort((a, b) => b.length - a.length);
        const expected = name in ports ? name : suffixes[0];
        const found = parseRouteTable(text).lookup(name);
        expect(found?.route).toBe(expected);
        expect(found?.target.port).toBe(expected === undefined ? undefined : ports[expected]);
      }),
    );
  });
});
