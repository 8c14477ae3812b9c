import { type Clock, type Log, smallestFirst } from '../platform/index.ts';
import {
  bundleOf,
  readingProblem,
  type TrustBundle,
  type TrustDomain,
  type X509Authority,
} from '../spiffe/index.ts';

/** Why a peer is left out, or only its earlier keys are given out. */
export interface Unserved {
  readonly trustDomain: TrustDomain;
  readonly code:
    | 'root-not-renderable'
    | 'root-not-narrowable'
    | 'too-many-roots'
    | 'bundle-too-large'
    | 'socket-full';
  readonly message: string;
}

/** A peer that is left out, and since when. */
export interface UnservedSince extends Unserved {
  readonly since: Date;
}

/** The bundles that can be given out, in their order, and why the others cannot. */
export interface FittedBundles {
  readonly foreign: readonly TrustBundle[];
  readonly unserved: readonly Unserved[];
}

const MAX_ROOTS_OF_PEER = 100;
const BYTES_OF_PEER = 256 * 1024;
/**
 * Most clients accept one gRPC message of at most 4 MiB. This leaves room for the names and for an
 * SVID.
 */
const BYTES_OF_ALL = 3.5 * 1024 * 1024;
/**
 * The bytes that PEM adds to each certificate, and the most by which an anchor is longer than its
 * root.
 */
const BYTES_AROUND_ROOT = 600;

/**
 * Leaves out bundles that proxies and workloads could not accept. They refuse a whole message for
 * one unreadable root and for one byte too many. A peer that is left out keeps those keys given out
 * `before` that it still lists. Where all do not fit together, the smallest peers come first. Equal
 * bundles stay the same objects.
 */
function fitBundles(
  own: TrustBundle | undefined,
  foreign: readonly TrustBundle[],
  before: readonly TrustBundle[],
): FittedBundles {
  const earlier = new Map(before.map((bundle) => [bundle.trustDomain, bundle]));
  const unserved = new Map<TrustDomain, Unserved>();
  const items = foreign.map((bundle) => {
    const fault = faultOf(bundle);
    if (fault) unserved.set(bundle.trustDomain, fault);
    return itemOf(bundle, fault ? restOf(bundle, earlier) : bundle);
  });
  const { chosen, left } = smallestFirst(items, BYTES_OF_ALL - (own ? sizeOf(own) : 0));
  const crowded = items.filter((item) => !chosen.has(item));
  for (const { wanted, size } of crowded) {
    const { trustDomain } = wanted;
    const message = `the roots and keys of ${trustDomain} take ${size} bytes, and the smaller peers leave no room for them in the ${BYTES_OF_ALL} bytes of one message`;
    if (!unserved.has(trustDomain)) unserved.set(trustDomain, { trustDomain, code: 'socket-full', message });
  }
  const rests = crowded.map(({ wanted }) => itemOf(wanted, restOf(wanted, earlier)));
  const { chosen: kept } = smallestFirst(rests, left);
  const rest = new Map(rests.map((item) => [item.wanted, item]));
  return {
    foreign: items.flatMap((item) => {
      if (chosen.has(item)) return item.given ?? [];
      const other = rest.get(item.wanted);
      return other && kept.has(other) ? (other.given ?? []) : [];
    }),
    unserved: [...unserved.values()],
  };
}

/** Fits the bundles of a socket, and remembers which peers are left out and since when. */
export class FittedTrust {
  readonly #clock: Clock;
  readonly #log: Log;
  #before: readonly TrustBundle[] = [];
  #unserved: readonly UnservedSince[] = [];

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** The bundles among these that can be given out. */
  of(own: TrustBundle | undefined, foreign: readonly TrustBundle[]): FittedBundles {
    const fitted = fitBundles(own, foreign, this.#before);
    this.#before = fitted.foreign;
    return fitted;
  }

  get unserved(): readonly UnservedSince[] {
    return this.#unserved;
  }

  /** Records the peers that are left out now. Each is logged once. */
  note(unserved: readonly Unserved[]): void {
    const before = this.#unserved;
    this.#unserved = unserved.map((each) => {
      const { trustDomain, code, message } = each;
      const known = before.find((other) => other.trustDomain === trustDomain && other.code === code);
      if (!known)
        this.#log.warn('a peer is not given out', { trust_domain: trustDomain, code, reason: message });
      return { ...each, since: known?.since ?? this.#clock.now() };
    });
  }
}

interface Item {
  readonly wanted: TrustBundle;
  readonly given: TrustBundle | undefined;
  readonly name: string;
  readonly size: number;
}

function itemOf(wanted: TrustBundle, given: TrustBundle | undefined): Item {
  return { wanted, given, name: wanted.trustDomain, size: given ? sizeOf(given) : 0 };
}

function faultOf(bundle: TrustBundle): Unserved | undefined {
  const { trustDomain, x509Authorities } = bundle;
  const count = x509Authorities.length;
  if (count > MAX_ROOTS_OF_PEER) {
    const message = `${trustDomain} has ${count} roots, and at most ${MAX_ROOTS_OF_PEER} of one peer are given out`;
    return { trustDomain, code: 'too-many-roots', message };
  }
  const unreadable = x509Authorities.find((root) => !isReadable(root));
  if (unreadable) {
    const message = `root ${JSON.stringify(unreadable.subject)} (${unreadable.fingerprint.slice(0, 16)}) of ${trustDomain} cannot be read by every verifier`;
    return { trustDomain, code: 'root-not-renderable', message };
  }
  const size = sizeOf(bundle);
  if (size <= BYTES_OF_PEER) return undefined;
  const message = `the roots and keys of ${trustDomain} take ${size} bytes, and at most ${BYTES_OF_PEER} of one peer are given out`;
  return { trustDomain, code: 'bundle-too-large', message };
}

/** The earlier keys that are still listed; undefined where there are none. */
function restOf(
  bundle: TrustBundle,
  earlier: ReadonlyMap<TrustDomain, TrustBundle>,
): TrustBundle | undefined {
  const before = earlier.get(bundle.trustDomain);
  if (!before) return undefined;
  const roots = new Set(bundle.x509Authorities.map(({ fingerprint }) => fingerprint));
  const keys = new Set(bundle.jwtAuthorities.map((key) => JSON.stringify(key)));
  const x509 = before.x509Authorities.filter((root) => roots.has(root.fingerprint) && isReadable(root));
  const jwtAuthorities = before.jwtAuthorities.filter((key) => keys.has(JSON.stringify(key)));
  if (x509.length === 0 && jwtAuthorities.length === 0) return undefined;
  return bundleOf(bundle.trustDomain, x509, { jwtAuthorities });
}

/** The approximate bytes of the larger half of a bundle: its roots as PEM, or its JWT keys. */
function sizeOf({ x509Authorities, jwtAuthorities }: TrustBundle): number {
  const roots = x509Authorities.reduce(
    (sum, { der }) => sum + Math.ceil(der.length * 1.4) + BYTES_AROUND_ROOT,
    0,
  );
  const keys = Buffer.byteLength(JSON.stringify(jwtAuthorities));
  return Math.max(roots, keys);
}

/**
 * Whether every verifier reads the root. The reader of bundles leaves others out, but an older
 * stored bundle may have one.
 */
function isReadable(root: X509Authority): boolean {
  try {
    return readingProblem(root) === undefined;
  } catch {
    return false;
  }
}
