import { access, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, syncFolder, writeDurably } from '../../platform/index.ts';
import {
  BundleError,
  createNobodysRoot,
  currentPart,
  defaultBundleLimits,
  isTrustDomain,
  parseBundle,
  parseTrustDomain,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import { type Admission, refuseAdmission } from '../contract/admission.ts';
import { chooseForeignTrust } from '../contract/choose-foreign-trust.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { reportOf } from '../contract/foreign-report.ts';
import type { ForeignTrustReport, OwnTrust, PresentTrust } from '../contract/mesh-adapter.ts';
import type { PlacedPeer, PlaceLimits } from '../contract/place-peers.ts';
import { readBoundedFile } from './bounded-file.ts';
import { type Manifest, MANIFEST_FILE, parseManifest, serializeManifest } from './manifest.ts';
import { filesOf, type PeerFiles, renderMaps, renderPeerFiles, SHARED_FILES, withRoots } from './render.ts';

const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** How long the PEM file of a removed peer holds a root with a key that does not exist. */
const NOBODY_MS = 7 * 86_400_000;
/** A file name has 255 bytes; a draft of it has 19 more than the trust domain. */
const MAX_NAME_BYTES = 230;
const BYTES_OF_ALL = 32 * 1024 * 1024;
/** Our list of files has room for this many peers. */
const MAX_PEERS = 9000;
/** A PEM file and a bundle document of one peer, and the maps, which readers take as a whole. */
const LIMITS: PlaceLimits = { bytesOfPeer: 512 * 1024, bytesOfAll: BYTES_OF_ALL };

/**
 * Makes the folder hold exactly the files of these bundles, next to files of others. A peer that
 * revoked all its roots, or was removed, leaves a PEM file with a root whose private key does not
 * exist. Because readers such as Envoy ignore an empty or missing file, this is the only change
 * that they apply. What cannot be written for one peer is reported for that peer. A file enters our
 * list before it is written and leaves the list after it is deleted, so that a crash leaves no file
 * without an owner. Throws `MeshAdapterError`: `file-not-ours`, `file-unreadable`,
 * `file-unwritable`.
 */
export async function writeForeignTrust(
  wanted: readonly TrustBundle[],
  options: {
    readonly folder: string;
    readonly own: OwnTrust;
    /** Trust domains with files of ours that stay as they are. */
    readonly kept: ReadonlySet<TrustDomain>;
    readonly clock: Clock;
  },
): Promise<ForeignTrustReport[]> {
  const { folder, own, kept, clock } = options;
  await attempt(folder, () => mkdir(folder, { recursive: true }));
  const before = parseManifest(await readBoundedFile(join(folder, MANIFEST_FILE), MAX_FILE_BYTES));
  const { files: ours } = before;
  for (const name of SHARED_FILES) if (!ours.has(name)) await refuseExisting(folder, name);
  const now = clock.now();
  const placed = await place(wanted, { folder, own, ours, now });

  const peers = placed.flatMap(({ rendered }) => rendered ?? []);
  const named = new Set(peers.map(({ bundle }) => bundle.trustDomain));
  const ended = endedOf(before, named, kept, now);
  const isBare = peers.some(({ bundle }) => bundle.x509Authorities.length === 0);
  const nobody = before.nobody ?? (isBare || ended.size > 0 ? await createNobodysRoot(now) : undefined);
  const nobodys = Buffer.from(nobody ?? '');
  const keptNames = [...kept]
    .flatMap((each) => Object.values(filesOf(each)))
    .filter((name) => ours.has(name));
  const peerNames = [...named].flatMap((each) => Object.values(filesOf(each)));
  const endedNames = [...ended.keys()].map((each) => filesOf(each).pem);
  const listed = new Set([...SHARED_FILES, ...peerNames, ...endedNames, ...keptNames]);
  const surplus = [...ours].filter((name) => !listed.has(name));

  const faults = new Map<TrustDomain, MeshAdapterError>();
  /** One file of one peer. A fault of it stops no other file. */
  const attemptFor = async (trustDomain: TrustDomain, work: () => Promise<unknown>) => {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      faults.set(trustDomain, error);
      return false;
    }
  };
  const note = (manifest: Manifest) => write(folder, MANIFEST_FILE, Buffer.from(serializeManifest(manifest)));

  await note({ files: new Set([...ours, ...listed]), ended, nobody });
  // End trust first: it does not wait for new trust.
  for (const trustDomain of ended.keys()) {
    const { pem } = filesOf(trustDomain);
    const isHeld = await attemptFor(trustDomain, () => write(folder, pem, nobodys));
    // Without space for that root, a missing file is the next best: a reader that starts later
    // admits no identity.
    if (!isHeld) await attemptFor(trustDomain, () => remove(folder, pem));
  }
  const left: string[] = [];
  for (const name of surplus) {
    const isGone = await attemptFor(trustDomainOf(name), () => remove(folder, name));
    if (!isGone) left.push(name);
  }
  const present = await presentBundles(kept, folder, ours);
  const bundles = [...peers.map(({ bundle }) => bundle), ...present.map((each) => currentPart(each, now))];
  for (const [name, content] of renderMaps(bundles, own, { ended: ended.keys(), nobody, now }))
    await write(folder, name, content);
  for (const { bundle, pem, document } of peers) {
    const { trustDomain } = bundle;
    const names = filesOf(trustDomain);
    await attemptFor(trustDomain, () => write(folder, names.pem, pem.length > 0 ? pem : nobodys));
    await attemptFor(trustDomain, () => write(folder, names.bundle, document));
  }
  if (surplus.length > left.length) await attempt(folder, () => syncFolder(folder));
  await note({ files: new Set([...listed, ...left]), ended, nobody });

  const gone = new Set(trustDomainsOf([...surplus, ...left]));
  for (const { trustDomain } of wanted) gone.delete(trustDomain);
  return [
    ...placed.map(({ admission }): ForeignTrustReport => {
      const report = { ...reportOf(admission, 'written', now), endedRootsStand: false };
      const fault = faultOf(faults.get(admission.bundle.trustDomain));
      if (!fault) return report;
      // A refusal of ours is the reason for what we wrote.
      return admission.refusal
        ? { ...report, state: fault.state, endedRootsStand: true }
        : { ...report, ...fault, endedRootsStand: true };
    }),
    ...[...gone].map((trustDomain): ForeignTrustReport => {
      const report = { trustDomain, at: now };
      const fault = faultOf(faults.get(trustDomain));
      return { ...report, ...(fault ?? heldByNobody(folder, trustDomain, ended.get(trustDomain) ?? now)) };
    }),
  ];
}

/** Judges what is wanted and renders what fits. */
async function place(
  wanted: readonly TrustBundle[],
  {
    folder,
    own,
    ours,
    now,
  }: {
    readonly folder: string;
    readonly own: OwnTrust;
    readonly ours: ReadonlySet<string>;
    readonly now: Date;
  },
): Promise<readonly PlacedPeer<PeerFiles>[]> {
  const present = new Map<TrustDomain, TrustBundle | undefined>();
  const presentOf = async ({ bundle: { trustDomain } }: Admission) => {
    if (!present.has(trustDomain)) present.set(trustDomain, await presentBundle(trustDomain, folder, ours));
    return present.get(trustDomain);
  };
  return await chooseForeignTrust(wanted, {
    own,
    scope: 'per-trust-domain',
    taken: await takenNames(folder, wanted, ours),
    // No peer has precedence for a key because its files hold it.
    present: [],
    judge: refuseLongName,
    now,
    rootsToKeep: async (admission) => {
      const there = new Set(
        (await presentOf(admission))?.x509Authorities.map(({ fingerprint }) => fingerprint),
      );
      return admission.roots.filter(({ fingerprint }) => there.has(fingerprint));
    },
    render: async (admission, roots) => {
      const { bundle, refusal } = admission;
      return renderPeerFiles(
        withRoots(refusal ? await lastGood(bundle, await presentOf(admission)) : bundle, roots),
      );
    },
    rendersEmpty: true,
    bytesOf: ({ pem, document }) =>
      Math.max(pem.length + document.length, Math.ceil(BYTES_OF_ALL / MAX_PEERS)),
    limits: LIMITS,
  });
}

/** What the folder holds of a refused bundle, without the JWT keys that it no longer lists. */
async function lastGood(bundle: TrustBundle, there: TrustBundle | undefined): Promise<TrustBundle> {
  const listed = new Set(bundle.jwtAuthorities.map(({ keyId, jwk }) => JSON.stringify([keyId, jwk])));
  return {
    ...(there ?? bundle),
    jwtAuthorities: (there?.jwtAuthorities ?? []).filter(({ keyId, jwk }) =>
      listed.has(JSON.stringify([keyId, jwk])),
    ),
  };
}

function refuseLongName(admission: Admission): Admission {
  const { trustDomain } = admission.bundle;
  if (Buffer.byteLength(trustDomain) <= MAX_NAME_BYTES) return admission;
  const message = `${trustDomain} is longer than the ${MAX_NAME_BYTES} characters that the name of a file has room for`;
  return refuseAdmission(admission, 'trust-domain-too-long', message);
}

/**
 * Trust domains with ended trust and the time of the end: earlier ones within their time, and those
 * with files that are not wanted now.
 */
function endedOf(
  { files, ended }: Manifest,
  named: ReadonlySet<TrustDomain>,
  kept: ReadonlySet<TrustDomain>,
  now: Date,
): ReadonlyMap<TrustDomain, Date> {
  const since = new Map(trustDomainsOf(files).map((trustDomain) => [trustDomain, now]));
  for (const [trustDomain, at] of ended)
    if (now.getTime() - at.getTime() < NOBODY_MS) since.set(trustDomain, at);
  for (const trustDomain of [...named, ...kept]) since.delete(trustDomain);
  return since;
}

function heldByNobody(folder: string, trustDomain: TrustDomain, since: Date) {
  const path = JSON.stringify(join(folder, filesOf(trustDomain).pem));
  const until = new Date(since.getTime() + NOBODY_MS).toISOString();
  return {
    state: 'removed',
    code: 'files-held-by-nobody',
    message: `${path} holds a root whose private key does not exist until ${until}; restart each process that reads it only at its start, or that does not visibly follow it`,
  } as const;
}

function faultOf(error: MeshAdapterError | undefined) {
  return error && ({ state: 'failed', code: error.code, message: error.message } as const);
}

/**
 * Trust domains with file names that files of others use; `bundles` would collide with a map's own
 * name.
 */
async function takenNames(
  folder: string,
  wanted: readonly TrustBundle[],
  ours: ReadonlySet<string>,
): Promise<Set<string>> {
  const taken = new Set<string>(SHARED_FILES.map((name) => name.slice(0, -'.json'.length)));
  for (const { trustDomain } of wanted) {
    for (const name of Object.values(filesOf(trustDomain)))
      if (!ours.has(name) && (await exists(join(folder, name)))) taken.add(trustDomain);
  }
  return taken;
}

/** The bundle of a trust domain from our file; undefined where no file can be read. */
async function presentBundle(
  trustDomain: TrustDomain,
  folder: string,
  ours: ReadonlySet<string>,
): Promise<TrustBundle | undefined> {
  const name = filesOf(trustDomain).bundle;
  const bytes = ours.has(name) ? await readBoundedFile(join(folder, name), MAX_FILE_BYTES) : undefined;
  if (!bytes) return undefined;
  try {
    return parseBundle(trustDomain, bytes, { ...defaultBundleLimits, maxBytes: MAX_FILE_BYTES }).bundle;
  } catch (error) {
    if (error instanceof BundleError) return undefined;
    throw error;
  }
}

async function presentBundles(
  trustDomains: Iterable<TrustDomain>,
  folder: string,
  ours: ReadonlySet<string>,
): Promise<TrustBundle[]> {
  const bundles: TrustBundle[] = [];
  for (const trustDomain of trustDomains) {
    const bundle = await presentBundle(trustDomain, folder, ours);
    if (bundle) bundles.push(bundle);
  }
  return bundles;
}

/** The trust domains of these bundle documents. */
function trustDomainsOf(names: Iterable<string>): TrustDomain[] {
  return [...names]
    .filter((name) => name.endsWith('.json') && !SHARED_FILES.includes(name))
    .map((name) => name.slice(0, -'.json'.length))
    .filter((name) => isTrustDomain(name));
}

/**
 * The trust domain of this file. Throws what `parseTrustDomain` throws for a name that we gave to
 * no peer.
 */
function trustDomainOf(name: string): TrustDomain {
  return parseTrustDomain(name.replace(/\.(pem|json)$/, ''));
}

/**
 * The bundles in the folder that our list of files names. Throws `MeshAdapterError`:
 * `file-not-ours`, `file-unreadable`.
 */
export async function readPresentTrust(folder: string): Promise<PresentTrust[]> {
  const { files: ours } = parseManifest(await readBoundedFile(join(folder, MANIFEST_FILE), MAX_FILE_BYTES));
  const present: PresentTrust[] = [];
  for (const trustDomain of trustDomainsOf(ours)) {
    const bundle = await presentBundle(trustDomain, folder, ours);
    const where = join(folder, filesOf(trustDomain).bundle);
    present.push({ trustDomain, ...(bundle && { roots: bundle.x509Authorities }), where });
  }
  return present;
}

async function refuseExisting(folder: string, name: string): Promise<void> {
  if (!(await exists(join(folder, name)))) return;
  throw new MeshAdapterError(
    'file-not-ours',
    `${JSON.stringify(join(folder, name))} is there and was not written by us; choose an empty folder for foreign bundles`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** Replaces the file unless its content is already the same. */
async function write(folder: string, name: string, content: Uint8Array): Promise<void> {
  const path = join(folder, name);
  const before = await readBoundedFile(path, MAX_FILE_BYTES);
  if (before && Buffer.compare(before, content) === 0) return;
  await attempt(path, () => writeDurably(path, content));
}

function remove(folder: string, name: string): Promise<void> {
  const path = join(folder, name);
  return attempt(path, () => rm(path, { force: true }));
}

async function attempt(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new MeshAdapterError('file-unwritable', `${JSON.stringify(path)} could not be written`, { cause });
  }
}
