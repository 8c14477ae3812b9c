import { defined } from '../../objects/index.ts';
import { bundlesEqual, bundleOf, type TrustBundle } from '../../spiffe/index.ts';
import { Latest } from './latest.ts';
import type { OwnTrust } from './mesh-adapter.ts';
import type { SecondLook } from './second-look.ts';

/**
 * Runs `read`, which may report the own trust any number of times, and passes on each report that
 * differs from the one before. Ends with the signal and waits until `read` has ended. With
 * `secondLook` a missing root must be confirmed before it counts as gone.
 */
export async function* followOwnTrust(
  signal: AbortSignal,
  read: (report: (own: OwnTrust) => void, signal: AbortSignal) => Promise<void>,
  secondLook?: SecondLook,
): AsyncIterable<OwnTrust> {
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const latest = new Latest<OwnTrust>();
  const emit = (own: OwnTrust) => latest.set(own);
  const reading = read((own) => (secondLook ? secondLook.take(own, emit, both) : emit(own)), both);
  let before: TrustBundle | undefined;
  let signedBefore: string | undefined;
  let wasConfirmed = true;
  try {
    for await (const own of latest.values(both)) {
      const { trustDomain, roots, jwtAuthorities = [], signing, isConfirmed = true } = own;
      const now = bundleOf(trustDomain, roots, { jwtAuthorities });
      const signed = signing?.toSorted().join();
      const same = before?.trustDomain === now.trustDomain && bundlesEqual(before, now);
      if (same && signed === signedBefore && isConfirmed === wasConfirmed) continue;
      before = now;
      signedBefore = signed;
      wasConfirmed = isConfirmed;
      yield {
        trustDomain,
        roots: now.x509Authorities,
        jwtAuthorities,
        ...defined({ signing }),
        ...(isConfirmed ? {} : { isConfirmed }),
      };
    }
  } finally {
    ended.abort();
    await reading;
  }
}
