import { BundleSet, type TrustBundle } from '../../spiffe/index.ts';
import { openSqliteStoreForReading, type Relationship, StoreError } from '../../store/index.ts';
import type { Subject } from './subject.ts';

/** What the store of the examined agent holds. */
export interface HeldTrust {
  readonly own: TrustBundle | undefined;
  readonly bundles: BundleSet;
  readonly distrusted: ReadonlyMap<string, ReadonlySet<string>>;
  readonly relationships: readonly Relationship[];
}

/**
 * Reads the store of the examined agent. Undefined where it cannot be read, which the check of the
 * store reports.
 */
export async function readHeldTrust(
  path: string,
  { agent, loaded }: Subject,
): Promise<HeldTrust | undefined> {
  try {
    await using store = await openSqliteStoreForReading({ path });
    const bundles = new BundleSet();
    for (const { bundle } of await store.currentAll()) bundles.set(bundle);
    const distrusted = new Map<string, Set<string>>();
    for (const { trustDomain, keyFingerprint } of await store.distrustedKeys())
      distrusted.set(trustDomain, (distrusted.get(trustDomain) ?? new Set()).add(keyFingerprint));
    const name =
      agent?.status.trust_domain ?? loaded?.config.trust_domain ?? (await store.getMeta('own-trust-domain'));
    return {
      own: bundles.list().find(({ trustDomain }) => trustDomain === name),
      bundles,
      distrusted,
      relationships: await store.relationships(),
    };
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}
