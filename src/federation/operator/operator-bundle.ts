import type { Clock } from '../../platform/index.ts';
import type { BundleLimits, TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';
import { parseBundleFile } from './bundle-file.ts';
import { whyNoRootCounts } from './usable-roots.ts';
import { FederationError } from '../fetch/errors.ts';
import { findForeignKey } from '../trust/foreign-key.ts';
import type { HeldBundles } from '../trust/held-bundles.ts';
import type { TrustedBundles } from '../trust/trusted-bundles.ts';
import { hasUsableRoot } from '../fetch/serving.ts';

/** A bundle that the operator puts in the place of the held one. */
export interface OperatorBundle {
  /** A SPIFFE bundle, or CA certificates in PEM. */
  readonly document: Uint8Array;
  /** What to call the document in the history, for instance its file name. */
  readonly name: string;
  readonly actor: string;
  readonly reason: string;
}

/** What setting a bundle takes. */
export interface OperatorBundleParts {
  readonly store: Store;
  readonly held: HeldBundles;
  readonly trusted: TrustedBundles;
  readonly own: () => TrustBundle | undefined;
  readonly clock: Clock;
  readonly bundleLimits: BundleLimits;
}

/** Limits the attempts. Because a poll may write in between once or twice, but not without end. */
const MAX_ATTEMPTS_TO_WRITE = 3;

/**
 * Makes a bundle of the operator the current one until the next good refresh replaces it (FED-53).
 * This is also the way out when the endpoint can no longer be verified (FED-58). Returns its
 * version number. Throws `FederationError` `bootstrap-bundle-invalid`, `bootstrap-bundle-unusable`,
 * `own-root-offered`, `root-of-another-trust-domain`, `root-names-another-trust-domain`,
 * `distrusted-key-offered`, `not-federated`; `StoreError` when the store fails. A key of another
 * trust domain is never accepted here. For that, the operator ends the relationship and adds it
 * again by force.
 */
export async function putOperatorBundle(
  { store, held, trusted, own, clock, bundleLimits }: OperatorBundleParts,
  trustDomain: TrustDomain,
  { document, name, actor, reason }: OperatorBundle,
): Promise<number> {
  const parsed = parseBundleFile(trustDomain, document, bundleLimits);
  const { bundle } = parsed;
  const at = clock.now();
  if (!hasUsableRoot(bundle, at)) {
    throw new FederationError(
      'bootstrap-bundle-unusable',
      `the bundle given for ${trustDomain} has no X.509 root that is valid at ${at.toISOString()}: ${whyNoRootCounts(parsed)}`,
    );
  }
  const surroundings = { own: own(), others: held.list(), distrusted: trusted.distrusted() };
  const foreign = findForeignKey(held.bundleFor(trustDomain), bundle, surroundings);
  if (foreign) throw new FederationError(foreign.code, `${foreign.message}: nothing was changed`);
  for (let attempt = 0; attempt < MAX_ATTEMPTS_TO_WRITE; attempt += 1) {
    const before = await store.current(trustDomain);
    const written = await store.replaceCurrent({
      trustDomain,
      expectedDigest: before ? before.digest : null,
      // A file proves nothing about the endpoint's numbers: replays of what it served before stay
      // out.
      keepsSequence: 'held',
      version: { bundle, receivedAt: at, verdict: 'operator', origin: name },
      event: {
        at,
        kind: 'operator-override',
        trustDomain,
        actor,
        message: `bundle of ${trustDomain} set by hand: ${reason}`,
      },
    });
    if (written !== 'conflict') {
      held.replace(written.bundle);
      return written.number;
    }
  }
  throw new FederationError('not-federated', `the relationship with ${trustDomain} was removed meanwhile`);
}
