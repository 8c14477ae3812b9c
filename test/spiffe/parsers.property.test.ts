import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BundleError,
  bundleOf,
  bundlesEqual,
  contentDigest,
  diffBundles,
  isTrustDomain,
  parseBundleMap,
  parseEndpointUrl,
  parsePin,
  parseTrustDomain,
  PinError,
  RelationshipError,
  serializeBundleMap,
  type TrustBundle,
} from '../../src/spiffe/index.ts';
import { roots } from '../store/sample-bundles.ts';

/** The result of `work`, or undefined where it refuses with this error and no other. */
function attempt<Result>(work: () => Result, refusal: new (...args: never[]) => Error): Result | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof refusal) return undefined;
    throw error;
  }
}

const names = fc.stringMatching(/^[a-z0-9._-]{1,20}$/).filter(isTrustDomain);
const bundles: fc.Arbitrary<TrustBundle> = fc
  .record({
    name: names,
    authorities: fc.subarray(roots),
    sequence: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
  })
  .map(({ name, authorities, sequence }) =>
    bundleOf(parseTrustDomain(name), authorities, sequence === undefined ? {} : { sequence }),
  );

/** A text with one of its characters changed, left out or doubled. */
const damaged = (text: string) =>
  fc
    .record({ at: fc.nat(text.length - 1), how: fc.constantFrom('', 'x', '"', '{', '\\', '0') })
    .map(({ at, how }) => text.slice(0, at) + how + text.slice(at + 1));

describe('parsePin()', () => {
  it('returns its input in one form, or refuses it with a PinError', () => {
    const nearly = fc.tuple(
      fc.constantFrom('sha256:', 'SHA256:', 'sha-256:', ''),
      fc.stringMatching(/^[0-9a-fA-F]{62,66}$/),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          nearly.map((parts) => parts.join('')),
        ),
        (text) => {
          const pin = attempt(() => parsePin(text), PinError);
          if (pin === undefined) return;
          expect(pin).toMatch(/^sha256:[0-9a-f]{64}$/);
          expect(pin).toBe(text.toLowerCase());
          expect(parsePin(pin)).toBe(pin);
        },
      ),
    );
  });
});

describe('parseEndpointUrl()', () => {
  it('gives an https URL without a user that reads back as itself, or refuses with a RelationshipError', () => {
    const nearly = fc
      .tuple(
        fc.constantFrom('https://', 'http://', 'HTTPS://', 'https:', 'https:/\\', ''),
        fc.constantFrom('', 'user@', 'user:pw@', '@'),
        fc.oneof(
          fc.domain(),
          fc.ipV4(),
          fc.ipV6().map((ip) => `[${ip}]`),
          fc.string({ maxLength: 8 }),
        ),
        fc.constantFrom('', ':8443', ':0', ':99999', ':'),
        fc.constantFrom('', '/', '/a?b#c', '/\u0000', '/..//'),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.webUrl(), nearly, fc.string()), (text) => {
        const url = attempt(() => parseEndpointUrl(text), RelationshipError);
        if (!url) return;
        expect([url.protocol, url.username, url.password]).toEqual(['https:', '', '']);
        expect(url.hostname).not.toBe('');
        expect(parseEndpointUrl(url.href).href).toBe(url.href);
      }),
    );
  });
});

describe('parseBundleMap()', () => {
  it('reads back what was written, for any bundles in any order (MAP-01, MAP-02)', () => {
    fc.assert(
      fc.property(fc.uniqueArray(bundles, { selector: (each) => each.trustDomain, maxLength: 5 }), (all) => {
        const read = parseBundleMap(serializeBundleMap(all));
        expect([...read.keys()].sort()).toEqual(all.map(({ trustDomain }) => trustDomain).sort());
        for (const bundle of all) {
          const again = read.get(bundle.trustDomain)?.bundle;
          expect(again && bundlesEqual(again, bundle)).toBe(true);
          expect(again?.sequence).toBe(bundle.sequence);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('refuses a damaged map with a BundleError, or reads bundles that read back', () => {
    const whole = Buffer.from(
      serializeBundleMap([bundleOf(parseTrustDomain('a.example'), roots.slice(0, 2))]),
    ).toString();
    fc.assert(
      fc.property(damaged(whole), (text) => {
        const read = attempt(() => parseBundleMap(Buffer.from(text)), BundleError);
        for (const { bundle } of read?.values() ?? []) {
          const again = parseBundleMap(serializeBundleMap([bundle])).get(bundle.trustDomain);
          expect(again && bundlesEqual(again.bundle, bundle)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('diffBundles()', () => {
  it('lists what has to be added and removed, independent of what stays and of the order', () => {
    const pair = fc.tuple(fc.subarray(roots), fc.shuffledSubarray(roots));
    const name = parseTrustDomain('a.example');
    fc.assert(
      fc.property(pair, ([first, second]) => {
        const [before, after] = [bundleOf(name, first), bundleOf(name, second)];
        const { addedX509, removedX509, keptX509 } = diffBundles(before, after);
        const fingerprints = (list: readonly { fingerprint: string }[]) =>
          list.map(({ fingerprint }) => fingerprint);
        expect(new Set([...fingerprints(keptX509), ...fingerprints(addedX509)])).toEqual(
          new Set(fingerprints(second)),
        );
        expect(new Set([...fingerprints(keptX509), ...fingerprints(removedX509)])).toEqual(
          new Set(fingerprints(first)),
        );
        const same = addedX509.length + removedX509.length === 0;
        expect(contentDigest(before) === contentDigest(after)).toBe(same);
      }),
    );
  });
});
