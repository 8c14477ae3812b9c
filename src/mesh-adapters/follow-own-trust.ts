import { bundlesEqual, bundleOf, type TrustBundle } from '../spiffe/index.ts';
import { Latest } from './latest.ts';
import type { OwnTrust } from './mesh-adapter.ts';

/**
 * Runs `read`, which tells the own trust as often as it likes, and gives on what differs from the time before; ends with
 * the signal and lets `read` end first.
 */
export async function* followOwnTrust(
  signal: AbortSignal,
  read: (tell: (own: OwnTrust) => void, signal: AbortSignal) => Promise<void>,
): AsyncIterable<OwnTrust> {
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const latest = new Latest<OwnTrust>();
  const reading = read((own) => latest.set(own), both);
  let before: TrustBundle | undefined;
  let signedBefore: string | undefined;
  try {
    for await (const own of latest.values(both)) {
      const { trustDomain, roots, jwtAuthorities = [], signing } = own;
      const now = bundleOf(trustDomain, roots, { jwtAuthorities });
      const signed = signing?.toSorted().join();
      const same = before?.trustDomain === now.trustDomain && bundlesEqual(before, now);
      if (same && signed === signedBefore) continue;
      before = now;
      signedBefore = signed;
      yield { trustDomain, roots: now.x509Authorities, jwtAuthorities, ...(signing ? { signing } : {}) };
    }
  } finally {
    ended.abort();
    await reading;
  }
}
