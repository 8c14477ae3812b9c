import type { TrustDomain } from '../../spiffe/index.ts';
import type { BundleVersion } from './bundle-version.ts';
import type { DistrustedKey, KeyTrustedAgain } from './operator-words.ts';

/** What was trusted of one trust domain at an instant. */
export interface TrustedAt {
  readonly version: BundleVersion;
  /** Keys of that trust domain that did not count then, whatever the bundle says. */
  readonly distrusted: readonly DistrustedKey[];
}

/** One word about a key, in the order in which they were said. */
export interface KeyWord extends DistrustedKey {
  readonly word: 'distrusted' | KeyTrustedAgain['word'];
}

/** Puts together what was trusted at `instant`, by trust domain. */
export function trustedAt(
  instant: Date,
  names: readonly TrustDomain[],
  versionOf: (trustDomain: TrustDomain) => BundleVersion | undefined,
  words: readonly KeyWord[],
): TrustedAt[] {
  const distrusted = distrustedAt(instant, words);
  return names
    .toSorted((a, b) => (a < b ? -1 : 1))
    .flatMap((name) => versionOf(name) ?? [])
    .map((version) => ({
      version,
      distrusted: distrusted.filter(({ trustDomain }) => trustDomain === version.trustDomain),
    }));
}

function distrustedAt(instant: Date, words: readonly KeyWord[]): DistrustedKey[] {
  const newest = new Map<string, KeyWord>();
  for (const word of words)
    if (word.at <= instant) newest.set(`${word.trustDomain} ${word.keyFingerprint}`, word);
  return [...newest.values()].filter(
    ({ word, until }) => word === 'distrusted' && (until === undefined || until > instant),
  );
}
