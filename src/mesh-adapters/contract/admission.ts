import { defined } from '../../objects/index.ts';
import {
  type Certificate,
  currentRoots,
  parseCertificate,
  type TrustBundle,
  type TrustDomain,
  type X509Authority,
} from '../../spiffe/index.ts';
import type { OwnTrust, TrustScope } from './mesh-adapter.ts';

/** Why a foreign bundle, or a root of it, stays out of a mesh. */
export type AdmissionCode =
  | 'own-trust-domain'
  | 'own-trust-domain-alias'
  | 'trust-domain-ambiguous'
  | 'trust-domain-taken'
  | 'trust-domain-not-dns'
  | 'trust-domain-nested'
  | 'root-expired'
  /** The renewed certificate still stands while this one waits for its start. */
  | 'root-not-yet-valid'
  | 'root-is-own'
  | 'root-of-another-peer'
  | 'twin-root'
  | 'root-name-crowded'
  | 'no-usable-root'
  | 'root-constrained'
  | 'root-not-narrowable'
  /** The peer has more roots than a mesh takes of one peer. */
  | 'too-many-roots'
  /** What the mesh holds for the peer's roots is longer than a mesh accepts of one peer. */
  | 'bundle-too-large'
  /** The place in the mesh is full, and smaller peers go first. */
  | 'mesh-full'
  /** The files of the peer would have a longer name than a file may have. */
  | 'trust-domain-too-long'
  /** A root cannot be read, or cannot be written in the form that the mesh has. */
  | 'root-not-renderable'
  /**
   * A note, not a refusal: another root has the same name, and key identifiers distinguish the two.
   */
  | 'root-name-shared';

export interface AdmissionNote {
  readonly code: AdmissionCode;
  readonly message: string;
}

/** The decision about one wanted bundle. */
export interface Admission {
  readonly bundle: TrustBundle;
  /**
   * Roots that may be in the mesh. With a `refusal` nothing is added: only roots that are already
   * there stay.
   */
  readonly roots: readonly X509Authority[];
  readonly refusal?: AdmissionNote;
  readonly notes: readonly AdmissionNote[];
}

export interface AdmissionContext {
  readonly own: OwnTrust;
  /** Other names of the own trust domain. */
  readonly ownAliases: readonly string[];
  readonly scope: TrustScope;
  /** Trust domains that entries of others in the mesh speak for. */
  readonly taken: ReadonlySet<string>;
  /**
   * The wanted trust domain that introduced each key (`keyFingerprint`) now in the mesh: first
   * come, first served.
   */
  readonly held: ReadonlyMap<string, TrustDomain>;
  /** How many roots of one name the verifiers of this pool can distinguish. Absent: no limit. */
  readonly maxRootsOfOneName?: number;
  /**
   * Whether an anchor of this pool speaks for names below its trust domain too, as an anchor for
   * DNS names does.
   */
  readonly speaksForNamesBelow?: boolean;
  readonly now: Date;
}

/** As many roots as a mesh is given of one peer; trust domains in use have one to five. */
const MAX_ROOTS_OF_PEER = 100;

const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/**
 * Judges what is wanted before any of it is written. Pure. An
 * expired root is left out; a root that could hurt the mesh or another peer refuses its whole
 * bundle.
 */
export function judgeForeignTrust(
  wanted: readonly TrustBundle[],
  context: AdmissionContext,
): readonly Admission[] {
  const owners = new Map(context.held);
  const seen = new Namesakes();
  for (const root of context.own.roots) seen.add(namedRoot(root, undefined));
  const names = new Set<TrustDomain>();
  // Bundles with roots in the mesh come first: a later peer displaces no earlier one.
  const holders = new Set(context.held.values());
  const order = [...wanted].sort(
    (a, b) => Number(holders.has(b.trustDomain)) - Number(holders.has(a.trustDomain)),
  );
  const judged = new Map<TrustBundle, Admission>();
  for (const bundle of order) {
    const refusal = refusalOfName(bundle.trustDomain, names, context);
    names.add(bundle.trustDomain);
    judged.set(
      bundle,
      refusal ? { bundle, roots: [], refusal, notes: [] } : judgeReadable(bundle, owners, seen, context),
    );
  }
  return wanted.flatMap((bundle) => judged.get(bundle) ?? []);
}

/** A key that stands in the mesh, and its trust domain. */
export interface PresentKey {
  readonly trustDomain: string;
  readonly keyFingerprint: string;
}

/**
 * Which of the wanted trust domains already has which key in the mesh; a key that its bundle no
 * longer lists is free again.
 */
export function heldKeys(
  present: Iterable<PresentKey>,
  wanted: readonly TrustBundle[],
): ReadonlyMap<string, TrustDomain> {
  const bundles = new Map<string, TrustBundle>(wanted.map((bundle) => [bundle.trustDomain, bundle]));
  const held = new Map<string, TrustDomain>();
  for (const { trustDomain, keyFingerprint } of present) {
    const bundle = bundles.get(trustDomain);
    if (bundle?.x509Authorities.some((root) => root.keyFingerprint === keyFingerprint))
      held.set(keyFingerprint, bundle.trustDomain);
  }
  return held;
}

/**
 * Returns the roots that belong in the mesh: the admitted ones. A refused bundle adds nothing and
 * loses what it no longer lists; its other roots stay (the last good). `held` is that of the
 * context of the judgement.
 */
export function rootsToHold(
  { bundle, roots, refusal }: Admission,
  held: AdmissionContext['held'],
): readonly X509Authority[] {
  return refusal
    ? roots.filter(({ keyFingerprint }) => held.get(keyFingerprint) === bundle.trustDomain)
    : roots;
}

/**
 * Returns the admission as refused for this reason. Its statements about roots stay, so that
 * `rootsToHold` leaves those that are in the mesh. An earlier refusal stays too.
 */
export function refuseAdmission(admission: Admission, code: AdmissionCode, message: string): Admission {
  return admission.refusal ? admission : { ...admission, refusal: note(code, message) };
}

/**
 * An anchor states constraints of ours in the place of the root's own, so a root that has some
 * cannot be narrowed.
 */
export function refuseConstrained(admission: Admission): Admission {
  if (admission.refusal) return admission;
  const constrained = admission.roots.find((root) => parseCertificate(root.der).extensions.nameConstraints);
  if (!constrained) return admission;
  const message = `root ${JSON.stringify(constrained.subject)} has name constraints of its own, which a narrowed anchor would lift`;
  return { ...admission, roots: [], refusal: note('root-constrained', message) };
}

/**
 * A pool with a verifier that does not narrow the identities of this peer takes its roots only
 * where the operator accepted that.
 */
export function refuseUnnarrowable(admission: Admission, why: string): Admission {
  if (admission.refusal || admission.bundle.x509Authorities.length === 0) return admission;
  return { ...admission, roots: [], refusal: note('root-not-narrowable', why) };
}

function refusalOfName(
  trustDomain: TrustDomain,
  names: ReadonlySet<TrustDomain>,
  { own, ownAliases, taken, speaksForNamesBelow = false }: AdmissionContext,
): AdmissionNote | undefined {
  if (trustDomain === own.trustDomain)
    return note('own-trust-domain', `${trustDomain} is the trust domain of this mesh itself`);
  if (ownAliases.includes(trustDomain))
    return note('own-trust-domain-alias', `${trustDomain} is another name of this mesh's own trust domain`);
  if (trustDomain === 'cluster.local')
    return note('trust-domain-ambiguous', 'cluster.local is the default name of every mesh without a name');
  if (!isDnsName(trustDomain)) {
    return note(
      'trust-domain-not-dns',
      `a mesh takes trust domains of DNS labels, the last of them not a number, and ${trustDomain} is none`,
    );
  }
  if (taken.has(trustDomain) || names.has(trustDomain))
    return note('trust-domain-taken', `${trustDomain} is bound in this mesh already, by something not ours`);
  if (!speaksForNamesBelow) return undefined;
  const nested = [own.trustDomain, ...ownAliases, ...names].find((other) => isNested(trustDomain, other));
  return nested === undefined
    ? undefined
    : note(
        'trust-domain-nested',
        `one of ${trustDomain} and ${nested} is a subdomain of the other, and an anchor of this mesh speaks for every name below it`,
      );
}

/**
 * The names of workloads lie below their trust domain, so that one may also lie below another trust
 * domain that is longer.
 */
function isNested(one: string, other: string): boolean {
  return one.endsWith(`.${other}`) || other.endsWith(`.${one}`);
}

function isDnsName(text: string): boolean {
  return DNS_NAME.test(text) && !/(^|\.)[0-9]+$/.test(text);
}

interface NamedRoot {
  readonly root: X509Authority;
  readonly certificate: Certificate;
  /** Undefined for the own mesh. */
  readonly trustDomain: TrustDomain | undefined;
}

function namedRoot(root: X509Authority, trustDomain: TrustDomain | undefined): NamedRoot {
  return { root, certificate: parseCertificate(root.der), trustDomain };
}

/**
 * The roots that share one pool, by their names: thousands of peers do not make it slow to find
 * those of one name.
 */
class Namesakes {
  readonly #byName = new Map<string, NamedRoot[]>();

  add(named: NamedRoot): void {
    const { subjectKey } = named.certificate;
    const there = this.#byName.get(subjectKey);
    if (there) there.push(named);
    else this.#byName.set(subjectKey, [named]);
  }

  of({ certificate }: NamedRoot): readonly NamedRoot[] {
    return this.#byName.get(certificate.subjectKey) ?? [];
  }
}

/**
 * Judges the roots. A peer with an unreadable root is refused, so that its root does not stop other
 * peers.
 */
function judgeReadable(
  bundle: TrustBundle,
  owners: Map<string, TrustDomain>,
  seen: Namesakes,
  context: AdmissionContext,
): Admission {
  const unreadable: X509Authority[] = [];
  for (const root of bundle.x509Authorities) {
    try {
      parseCertificate(root.der);
    } catch {
      unreadable.push(root);
    }
  }
  const [first] = unreadable;
  if (!first) return judgeRoots(bundle, owners, seen, context);
  const readable = bundle.x509Authorities.filter((root) => !unreadable.includes(root));
  const message = `${label(first)} of ${bundle.trustDomain} cannot be read`;
  // What is in the mesh stays there, so it counts.
  for (const root of readable)
    if (context.held.get(root.keyFingerprint) === bundle.trustDomain)
      seen.add(namedRoot(root, bundle.trustDomain));
  return { bundle, roots: readable, refusal: note('root-not-renderable', message), notes: [] };
}

function judgeRoots(
  bundle: TrustBundle,
  owners: Map<string, TrustDomain>,
  seen: Namesakes,
  context: AdmissionContext,
): Admission {
  const { trustDomain, x509Authorities } = bundle;
  const notes: AdmissionNote[] = [];
  const usable: NamedRoot[] = [];
  let refusal: AdmissionNote | undefined;
  const current = currentRoots(x509Authorities, context.now);
  for (const root of x509Authorities) {
    if (root.notAfter <= context.now) {
      notes.push(note('root-expired', `${label(root)} expired at ${root.notAfter.toISOString()}`));
      continue;
    }
    if (!current.includes(root)) {
      const why = `and one with its name and key is valid now`;
      notes.push(
        note('root-not-yet-valid', `${label(root)} begins at ${root.notBefore.toISOString()}, ${why}`),
      );
      continue;
    }
    const named = namedRoot(root, trustDomain);
    const danger =
      dangerOf(named, owners, seen.of(named), context, notes) ?? crowdOf(named, seen, usable, context);
    if (danger) refusal ??= danger;
    else usable.push(named);
  }
  if (usable.length > MAX_ROOTS_OF_PEER) {
    const message = `${trustDomain} has ${usable.length} roots, and a mesh is given at most ${MAX_ROOTS_OF_PEER} of one peer`;
    refusal ??= note('too-many-roots', message);
  }
  if (!refusal) {
    for (const named of usable) owners.set(named.root.keyFingerprint, trustDomain);
  }
  // Of a refused bundle what is in the mesh stays there, so it counts.
  const holds = ({ root }: NamedRoot) => context.held.get(root.keyFingerprint) === trustDomain;
  for (const named of refusal ? usable.filter(holds) : usable) seen.add(named);
  if (!refusal && x509Authorities.length > 0 && usable.length === 0)
    refusal = note('no-usable-root', `no root of ${trustDomain} is valid now`);
  return { bundle, roots: usable.map(({ root }) => root), ...defined({ refusal }), notes };
}

function dangerOf(
  named: NamedRoot,
  owners: ReadonlyMap<string, TrustDomain>,
  namesakes: readonly NamedRoot[],
  { own, scope }: AdmissionContext,
  notes: AdmissionNote[],
): AdmissionNote | undefined {
  const { root, trustDomain } = named;
  if (own.roots.some(({ keyFingerprint }) => keyFingerprint === root.keyFingerprint))
    return note('root-is-own', `${label(root)} of ${trustDomain} has the key of a root of this mesh`);
  const owner = owners.get(root.keyFingerprint);
  if (owner !== undefined && owner !== trustDomain)
    return note('root-of-another-peer', `${label(root)} of ${trustDomain} has the key of a root of ${owner}`);
  if (scope !== 'merged') return undefined;
  // One pool: the verifier chooses an issuer by name and key identifier, and must not find two
  // (rule 4).
  for (const other of namesakes) {
    if (other.trustDomain === trustDomain) continue;
    const [a, b] = [other.certificate.subjectKeyId, named.certificate.subjectKeyId];
    const whose = other.trustDomain ?? 'this mesh';
    if (a === undefined || b === undefined || a === b) {
      return note(
        'twin-root',
        `${label(root)} of ${trustDomain} has the name of a root of ${whose} and verifiers cannot distinguish them`,
      );
    }
    notes.push(
      note('root-name-shared', `${label(root)} of ${trustDomain} has the name of a root of ${whose}`),
    );
  }
  return undefined;
}

/**
 * A verifier that tries every root of one name gives up after this many, and then refuses our own
 * leaves together with the foreign ones.
 */
function crowdOf(
  named: NamedRoot,
  seen: Namesakes,
  usable: readonly NamedRoot[],
  { maxRootsOfOneName }: AdmissionContext,
): AdmissionNote | undefined {
  if (maxRootsOfOneName === undefined) return undefined;
  const { subjectKey } = named.certificate;
  const besideIt = usable.filter((other) => other.certificate.subjectKey === subjectKey);
  if (seen.of(named).length + besideIt.length < maxRootsOfOneName) return undefined;
  return note(
    'root-name-crowded',
    `${label(named.root)} of ${named.trustDomain} exceeds the ${maxRootsOfOneName} roots of one name that this mesh can distinguish; its owner can give its next root a different name`,
  );
}

function label(root: X509Authority): string {
  return `root ${JSON.stringify(root.subject)} (${root.fingerprint.slice(0, 16)})`;
}

function note(code: AdmissionCode, message: string): AdmissionNote {
  return { code, message };
}
