import { describe, expect, it } from 'vitest';
import { bundleOf, parseBundleMap, parseTrustDomain, serializeBundleMap } from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { codeOf } from './attempt.ts';

const parse = (text: string) => parseBundleMap(Buffer.from(text));

describe('parseBundleMap()', () => {
  it('reads a map, possibly empty (MAP-01)', () => {
    expect(parse('{"trust_domains":{}}').size).toBe(0);
    const map = parse('{"trust_domains":{"a.example":{"spiffe_sequence":3,"keys":[]}}}');
    expect([...map.keys()]).toEqual(['a.example']);
    expect(map.get(parseTrustDomain('a.example'))?.bundle.sequence).toBe(3n);
  });

  it('refuses a repeated trust domain, also in an escaped spelling (MAP-02, MAP-03)', () => {
    expect(codeOf(() => parse('{"trust_domains":{"a":{"keys":[]},"b":{"keys":[]}}}'))).toBe('accepted');
    expect(codeOf(() => parse('{"trust_domains":{"a":{"keys":[]},"a":{"keys":[]}}}'))).toBe(
      'bundle-not-json',
    );
    expect(codeOf(() => parse('{"trust_domains":{"a":{"keys":[]},"\\u0061":{"keys":[]}}}'))).toBe(
      'bundle-not-json',
    );
  });

  it.each([
    ['{"trust_domains":{"spiffe://a":{"keys":[]}}}', 'map-trust-domain'],
    ['{"trust_domains":{"A":{"keys":[]}}}', 'map-trust-domain'],
    ['{"trust_domains":{"":{"keys":[]}}}', 'map-trust-domain'],
    ['{"trust_domains":{"a":{"keys":[]},"b":{}}}', 'map-bundle'],
    ['{"trust_domains":{"a":{"keys":[],"spiffe_sequence":"7"}}}', 'map-bundle'],
    ['{"trust_domains":{"a":null}}', 'map-bundle'],
    ['{"trust_domains":[]}', 'map-not-a-map'],
    ['{}', 'map-not-a-map'],
    ['[]', 'map-not-a-map'],
  ])('refuses %s as a whole (MAP-01, MAP-06)', (text, code) => {
    expect(codeOf(() => parse('{"trust_domains":{"a":{"keys":[]},"b":{"keys":[]}}}'))).toBe('accepted');
    expect(codeOf(() => parse(text))).toBe(code);
  });

  it('bounds the entries of all bundles together (TDB-44)', async () => {
    const cas = [
      await createTestCa({ trustDomain: 'a.example' }),
      await createTestCa({ trustDomain: 'b.example' }),
    ];
    const bytes = serializeBundleMap(cas.map((ca) => ca.bundle()));
    const read = (maxEntries: number) =>
      codeOf(() => parseBundleMap(bytes, { maxBytes: 1e6, maxDepth: 16, maxEntries }));
    expect([read(4), read(2)]).toEqual(['accepted', 'bundle-too-many-entries']);
  });
});

describe('serializeBundleMap()', () => {
  it('writes each trust domain once, by name, without hints, and reads back (MAP-01, MAP-02, MAP-04)', async () => {
    const a = await createTestCa({ trustDomain: 'a.example' });
    const b = await createTestCa({ trustDomain: 'b.example' });
    const bytes = serializeBundleMap([
      bundleOf(b.trustDomain, [b.authority], { sequence: 2n ** 63n, refreshHintSeconds: 1 }),
      a.bundle(1n),
    ]);
    const text = Buffer.from(bytes).toString();
    expect(Object.keys(JSON.parse(text).trust_domains)).toEqual(['a.example', 'b.example']);
    expect(text).not.toContain('refresh_hint');
    const map = parseBundleMap(bytes);
    expect(map.get(b.trustDomain)?.bundle).toEqual(
      bundleOf(b.trustDomain, [b.authority], { sequence: 2n ** 63n }),
    );
    expect(map.get(a.trustDomain)?.bundle).toEqual(a.bundle(1n));
    expect(() => serializeBundleMap([a.bundle(), a.bundle()])).toThrow(TypeError);
  });
});
