import { describe, expect, it } from 'vitest';
import { followOwnTrust } from '../../src/mesh-adapters/contract/follow-own-trust.ts';
import { MeshAdapterError, type OwnTrust } from '../../src/mesh-adapters/index.ts';
import { SecondLook, withMissing } from '../../src/mesh-adapters/contract/second-look.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { createTokenKey } from '../../testkit/test-tokens.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';

const trustDomain = parseTrustDomain('east.example');
const [a, b, c] = await Promise.all(
  ['A', 'B', 'C'].map(async (name) => (await createTestCa({ trustDomain, subject: `CN=${name}` })).authority),
);
if (!a || !b || !c) throw new Error('unreachable');

/**
 * A source with roots that a test changes, and its reports: names of the roots, with `?` where they
 * are not confirmed.
 */
function follow(pollMs?: number) {
  const clock = new TestClock(TEST_INSTANT);
  const names = new Map([a, b, c].map((root) => [root?.fingerprint, root?.subject.slice(3)]));
  let place: OwnTrust | 'broken' = { trustDomain, roots: [a, b] as OwnTrust['roots'] };
  const troubles: string[] = [];
  const reported: string[] = [];
  let report: (own: OwnTrust) => void = () => {};
  let writes = 0;
  const secondLook = new SecondLook({
    marks: async () => String(writes),
    look: async () => {
      if (place === 'broken') throw new MeshAdapterError('file-unreadable', 'broken');
      return place;
    },
    ...(pollMs === undefined ? {} : { pollMs }),
    onTrouble: ({ code }) => troubles.push(code),
    clock,
  });
  const stopping = new AbortController();
  const following = (async () => {
    const read = async (take: (own: OwnTrust) => void, signal: AbortSignal) => {
      report = take;
      if (place !== 'broken') report(place);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    for await (const { roots, isConfirmed = true } of followOwnTrust(stopping.signal, read, secondLook)) {
      const letters = roots.map(({ fingerprint }) => names.get(fingerprint) ?? '').toSorted();
      reported.push(`${letters.join('')}${isConfirmed ? '' : '?'}`);
    }
  })();
  const set = (...roots: readonly (typeof a)[]) => {
    place = { trustDomain, roots: roots as OwnTrust['roots'] };
  };
  return {
    clock,
    reported,
    troubles,
    secondLook,
    set,
    break: () => {
      place = 'broken';
    },
    /** The place is written again, and has the same in it. */
    write: () => {
      writes += 1;
    },
    /** The place is read, as after a sign that it changed. */
    read: async () => {
      if (place !== 'broken') report(place);
      await clock.advance(0);
    },
    last: () => reported.at(-1),
    start: async () => {
      await until(() => reported.length === 1, 'the first look');
      await clock.advance(Math.max(pollMs ?? 0, 5000));
      await until(() => reported.at(-1) === 'AB', 'the confirmation');
      reported.splice(0);
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await following;
    },
  };
}

describe('A root of our own that is missing', () => {
  it('is gone only after a second look confirms it, one poll later', async () => {
    await using place = follow(30_000);
    await place.start();
    place.set(a);
    await place.read();
    expect(place.reported).toEqual(['A?']);
    await place.clock.advance(29_999);
    expect(place.reported).toEqual(['A?']);
    await place.clock.advance(1);
    await until(() => place.reported.length === 2, 'the second look');
    expect(place.reported).toEqual(['A?', 'A']);
  });

  it('waits at least five seconds, however often the place is polled', async () => {
    await using place = follow(5);
    await place.start();
    place.set(a);
    await place.read();
    await place.clock.advance(4999);
    expect(place.reported).toEqual(['A?']);
    await place.clock.advance(1);
    await until(() => place.last() === 'A', 'the second look');
  });

  it('was never gone when it is back before that', async () => {
    await using place = follow();
    await place.start();
    place.set(b);
    await place.read();
    place.set(a, b);
    await place.read();
    await place.clock.advance(60_000);
    expect(place.reported).toEqual(['B?', 'AB']);
  });

  it('starts to wait again when the second look finds something else, and when a look before it does', async () => {
    await using place = follow();
    await place.start();
    place.set(a);
    await place.read();
    await place.clock.advance(4000);
    place.set(b);
    await place.read();
    await place.clock.advance(4000);
    expect(place.reported).toEqual(['A?', 'B?']);
    // The sign of a change was missed: only the second look sees this.
    place.set(c);
    await place.clock.advance(1000);
    await until(() => place.last() === 'C?', 'the other state');
    await place.clock.advance(4999);
    expect(place.last()).toBe('C?');
    await place.clock.advance(1);
    await until(() => place.last() === 'C', 'the confirmation');
  });

  it('is not confirmed by a source that was written between the looks, until the writes end', async () => {
    await using place = follow();
    await place.start();
    place.set(a);
    await place.read();
    for (let round = 0; round < 3; round += 1) {
      await place.clock.advance(4999);
      place.write();
      await place.clock.advance(1);
      await place.clock.untilSleeping();
    }
    expect(place.reported).toEqual(['A?']);
    await place.clock.advance(5000);
    await until(() => place.last() === 'A', 'the confirmation');
  });

  it('is confirmed after a minute of a source that is written all the time', async () => {
    await using place = follow();
    await place.start();
    place.set(a);
    await place.read();
    for (let round = 0; round < 11; round += 1) {
      place.write();
      await place.clock.advance(5000);
      await place.clock.untilSleeping();
    }
    expect(place.reported).toEqual(['A?']);
    place.write();
    await place.clock.advance(5000);
    await until(() => place.last() === 'A', 'the confirmation');
  });

  it('is not confirmed by a source that cannot be read, which is reported', async () => {
    await using place = follow();
    await place.start();
    place.set(a);
    await place.read();
    place.break();
    await place.clock.advance(5000);
    await until(() => place.troubles.length === 1, 'the trouble');
    expect([place.reported, place.troubles]).toEqual([['A?'], ['file-unreadable']]);
    place.set(a);
    await place.clock.advance(10_000);
    await until(() => place.last() === 'A', 'the confirmation');
  });

  it('counts until then', async () => {
    await using place = follow();
    await place.start();
    const half = { trustDomain, roots: [a] };
    expect(place.secondLook.counting(half).roots).toHaveLength(2);
    place.set(a);
    await place.read();
    await place.clock.advance(5000);
    await until(() => place.last() === 'A', 'the confirmation');
    expect(place.secondLook.counting(half).roots).toHaveLength(1);
  });
});

describe('A root of our own that appears', () => {
  it('is reported at once and confirmed', async () => {
    await using place = follow();
    await place.start();
    place.set(a, b, c);
    await place.read();
    expect(place.reported).toEqual(['ABC']);
  });

  it('is reported at once next to one that is missing', async () => {
    await using place = follow();
    await place.start();
    place.set(a, c);
    await place.read();
    expect(place.reported).toEqual(['AC?']);
  });
});

describe('withMissing()', () => {
  it('adds the missing roots and JWT keys, and nothing of another trust domain', async () => {
    const { authority: key } = createTokenKey();
    const before = { trustDomain, roots: [a, b], jwtAuthorities: [key] };
    const joined = withMissing({ trustDomain, roots: [b, c] }, before);
    expect(new Set(joined.roots)).toEqual(new Set([a, b, c]));
    expect(joined.jwtAuthorities).toEqual([key]);
    const other = { trustDomain: parseTrustDomain('other.example'), roots: [c] };
    expect(withMissing(other, before)).toBe(other);
  });
});
