import type { SpireBundle, SpireFederationRelationship } from '../../grpc/index.ts';
import { defined } from '../../objects/index.ts';
import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { Admission, PresentKey } from '../contract/admission.ts';
import { chooseForeignTrust } from '../contract/choose-foreign-trust.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import type { Owned } from './owned.ts';
import type { PeerEndpoint, PeerEndpoints } from './peer-endpoint.ts';
import {
  readableRoots,
  renderableKeys,
  renderRelationship,
  renderSpireBundle,
  renderWhole,
  sameAuthorities,
  sameEndpoint,
  sizeOfBundle,
} from './render.ts';

/** The content of a SPIRE server, by trust domain. */
export interface SpireContent {
  readonly own: OwnTrust;
  readonly bundles: ReadonlyMap<string, SpireBundle>;
  /** Those of the API; see `polledByFile`. */
  readonly relationships: ReadonlyMap<string, SpireFederationRelationship>;
}

/**
 * The wanted content of SPIRE for one wanted bundle: nothing of ours, a bundle, or a relationship
 * with its first bundle.
 */
export interface Target {
  readonly admission: Admission;
  readonly bundle?: SpireBundle;
  readonly relationship?: SpireFederationRelationship;
  /** Why the bundle is pushed although SPIRE is to poll by itself. */
  readonly pushed?: string;
}

/** The steps from what SPIRE holds to what is wanted. */
export interface Plan {
  readonly targets: readonly Target[];
  /** Our entries while these steps run. */
  readonly claims: Owned;
  /** The trust domains of our relationships to remove, and of our bundles to remove. */
  readonly unlink: readonly TrustDomain[];
  readonly drop: readonly TrustDomain[];
}

export interface PlanContext {
  readonly noted: Owned;
  /** Trust domains with bundles and relationships of ours that stay as they are. */
  readonly kept: ReadonlySet<TrustDomain>;
  /** Trust domains that SPIRE polls because of its configuration file. */
  readonly polledByFile: ReadonlySet<string>;
  /** Where SPIRE polls by itself; undefined: nowhere, every bundle is pushed. */
  readonly endpoints: PeerEndpoints | undefined;
  readonly now: Date;
}

/**
 * Judges the wanted bundles and plans the content for each. Changes nothing. A trust domain has
 * either a bundle that we push or a relationship, and nothing of ours where another owner has an
 * entry.
 */
export async function planForeignTrust(
  wanted: readonly TrustBundle[],
  content: SpireContent,
  context: PlanContext,
): Promise<Plan> {
  const { noted, kept: staying, polledByFile, endpoints, now } = context;
  const wishes = new Map(wanted.map(({ trustDomain }) => [trustDomain, endpoints?.(trustDomain)]));
  const linked = ownRelationships(wanted, content, noted, wishes);
  const isPolledByOthers = (name: string) =>
    polledByFile.has(name) || (content.relationships.has(name) && !linked.has(name as TrustDomain));
  const owned = new Set([...noted.bundles, ...noted.relationships].filter((name) => !isPolledByOthers(name)));
  // An entry equal to ours is ours: another agent of ours wrote it, or this agent before the file
  // was lost.
  for (const bundle of wanted) {
    const there = content.bundles.get(bundle.trustDomain);
    const whole = there && renderWhole(bundle);
    if (whole && !isPolledByOthers(bundle.trustDomain) && sameAuthorities(there, whole))
      owned.add(bundle.trustDomain);
  }
  const taken = takenOf(content, owned, linked, polledByFile);
  const placed = await chooseForeignTrust(wanted, {
    own: content.own,
    scope: 'per-trust-domain',
    taken: new Set(taken.keys()),
    present: presentKeys(content.bundles, owned),
    now,
    render: ({ bundle, refusal }, roots) =>
      renderSpireBundle(bundle, roots, refusal ? keysToHold(bundle, content) : bundle.jwtAuthorities),
    // A revocation of all is a bundle without authorities.
    rendersEmpty: true,
    bytesOf: sizeOfBundle,
  });
  const targets = placed.map(({ admission, rendered: bundle }): Target => {
    const { trustDomain } = admission.bundle;
    if (admission.refusal || !bundle)
      return { admission: explained(admission, taken), ...defined({ bundle }) };
    const wish = wishes.get(trustDomain);
    if (!wish) return { admission, bundle };
    if ('why' in wish) return { admission, bundle, pushed: wish.why };
    if (wish.profile.kind === 'https_spiffe' && admission.roots.length === 0)
      return {
        admission,
        bundle,
        pushed: `${trustDomain} has no root that could verify its endpoint`,
      };
    return { admission, bundle, relationship: renderRelationship(trustDomain, wish, bundle) };
  });
  const namesOf = (some: readonly Target[]) =>
    new Set(some.map(({ admission }) => admission.bundle.trustDomain));
  const [kept, polled] = [
    namesOf(targets.filter(({ bundle }) => bundle)),
    namesOf(targets.filter(({ relationship }) => relationship)),
  ];
  return {
    targets,
    claims: {
      server: content.own.trustDomain,
      bundles: new Set([...owned, ...kept]),
      relationships: new Set([...linked, ...polled]),
    },
    unlink: [...linked].filter((name) => !polled.has(name) && !staying.has(name)),
    drop: [...owned].filter((name) => !kept.has(name) && !staying.has(name)),
  };
}

/**
 * The trust domains of our relationships in SPIRE: noted ones, and those equal to what we would
 * write.
 */
function ownRelationships(
  wanted: readonly TrustBundle[],
  { relationships }: SpireContent,
  noted: Owned,
  wishes: ReadonlyMap<TrustDomain, PeerEndpoint | undefined>,
): ReadonlySet<TrustDomain> {
  const equal = wanted.filter((bundle) => {
    const [there, wish] = [relationships.get(bundle.trustDomain), wishes.get(bundle.trustDomain)];
    if (!there || !wish || 'why' in wish) return false;
    const whole = renderWhole(bundle);
    return whole !== undefined && sameEndpoint(there, renderRelationship(bundle.trustDomain, wish, whole));
  });
  return new Set([
    ...[...noted.relationships].filter((name) => relationships.has(name)),
    ...equal.map(({ trustDomain }) => trustDomain),
  ]);
}

/** Trust domains with entries of another owner in SPIRE, and the kind of entry. */
function takenOf(
  { bundles, relationships }: SpireContent,
  owned: ReadonlySet<string>,
  linked: ReadonlySet<string>,
  polledByFile: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const unless = (names: Iterable<string>, ours: ReadonlySet<string>) =>
    [...names].filter((name) => !ours.has(name));
  return new Map([
    ...unless(bundles.keys(), owned).map((name): [string, string] => [
      name,
      `SPIRE holds a bundle of ${name} that another client set`,
    ]),
    ...unless(relationships.keys(), linked).map((name): [string, string] => [
      name,
      `SPIRE polls ${name} by itself, by a federation relationship that is not ours`,
    ]),
    ...[...polledByFile].map((name): [string, string] => [
      name,
      `SPIRE polls ${name} by itself, because of federates_with in its configuration file`,
    ]),
  ]);
}

function explained(admission: Admission, taken: ReadonlyMap<string, string>): Admission {
  const { refusal, bundle } = admission;
  const message = taken.get(bundle.trustDomain);
  if (refusal?.code !== 'trust-domain-taken' || message === undefined) return admission;
  return { ...admission, refusal: { ...refusal, message } };
}

/**
 * The JWT keys of a refused bundle that stay in SPIRE: those that are there and that it still
 * lists.
 */
function keysToHold({ trustDomain, jwtAuthorities }: TrustBundle, { bundles }: SpireContent) {
  const ids = new Set(bundles.get(trustDomain)?.jwt_authorities.map(({ key_id: id }) => id));
  return renderableKeys(jwtAuthorities.filter(({ keyId }) => ids.has(keyId)));
}

function presentKeys(
  bundles: ReadonlyMap<string, SpireBundle>,
  owned: ReadonlySet<TrustDomain>,
): PresentKey[] {
  return [...owned].flatMap((trustDomain) => {
    const there = bundles.get(trustDomain);
    return (there ? readableRoots(there) : []).map(({ keyFingerprint }) => ({ trustDomain, keyFingerprint }));
  });
}
