import { access, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, syncFolder, writeDurably } from '../../platform/index.ts';
import {
  BundleError,
  defaultBundleLimits,
  isTrustDomain,
  parseBundle,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import { type Admission, judgeForeignTrust } from '../admission.ts';
import { MeshAdapterError } from '../errors.ts';
import { reportOf } from '../foreign-report.ts';
import type { ForeignTrustReport, OwnTrust, PresentTrust } from '../mesh-adapter.ts';
import { readBoundedFile } from './bounded-file.ts';
import { MANIFEST_FILE, parseManifest, serializeManifest } from './manifest.ts';
import { filesOf, renderFiles, SHARED_FILES, withRoots } from './render.ts';

const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * Makes the folder hold exactly the files of these bundles beside what is not ours. A file is claimed in the list of ours
 * before it is written and leaves the list after it is gone, so that a crash leaves nothing behind that nobody owns.
 * Throws `MeshAdapterError`: `file-not-ours`, `file-unreadable`, `file-unwritable`.
 */
export async function writeForeignTrust(
  wanted: readonly TrustBundle[],
  options: {
    readonly folder: string;
    readonly own: OwnTrust;
    /** Whose files of ours stay as they stand. */
    readonly kept: ReadonlySet<TrustDomain>;
    readonly clock: Clock;
  },
): Promise<ForeignTrustReport[]> {
  const { folder, own, kept, clock } = options;
  await attempt(folder, () => mkdir(folder, { recursive: true }));
  const ours = parseManifest(await readBoundedFile(join(folder, MANIFEST_FILE), MAX_FILE_BYTES));
  for (const name of SHARED_FILES) if (!ours.has(name)) await refuseExisting(folder, name);
  const now = clock.now();
  const admissions = judgeForeignTrust(wanted, {
    own,
    ownAliases: [],
    scope: 'per-trust-domain',
    taken: await takenNames(folder, wanted, ours),
    held: new Map(),
    now,
  });
  const bundles: TrustBundle[] = [];
  for (const admission of admissions) {
    const bundle = await bundleToHold(admission, folder, ours);
    if (bundle) bundles.push(bundle);
  }
  for (const trustDomain of kept) {
    const bundle = await presentBundle(trustDomain, folder, ours);
    if (bundle) bundles.push(bundle);
  }
  const files = renderFiles(bundles, own);
  const staying = [...kept].flatMap((each) => Object.values(filesOf(each))).filter((name) => ours.has(name));
  const listed = new Set([...files.keys(), ...staying]);
  const claimed = new Set([...ours, ...listed]);
  if (claimed.size > ours.size) await write(folder, MANIFEST_FILE, Buffer.from(serializeManifest(claimed)));
  for (const [name, content] of files) await write(folder, name, content);
  const surplus = [...ours].filter((name) => !listed.has(name));
  for (const name of surplus) await attempt(folder, () => rm(join(folder, name), { force: true }));
  if (surplus.length > 0) {
    await attempt(folder, () => syncFolder(folder));
    await write(folder, MANIFEST_FILE, Buffer.from(serializeManifest(listed)));
  }
  return [
    // Of a refused bundle, too, only what it still lists was left.
    ...admissions.map((admission) => ({ ...reportOf(admission, 'written', now), endedRootsStand: false })),
    ...goneTrustDomains(surplus, wanted).map(
      (trustDomain): ForeignTrustReport => ({ trustDomain, state: 'removed', at: now }),
    ),
  ];
}

/** Trust domains whose file names are in use by files that are not ours; `bundles` would be a map's own name. */
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

/** What shall be in the folder of one bundle: what was admitted; of a refused one what is there and still listed. */
async function bundleToHold(
  { bundle, roots, refusal }: Admission,
  folder: string,
  ours: ReadonlySet<string>,
): Promise<TrustBundle | undefined> {
  if (!refusal) return withRoots(bundle, roots);
  const held = roots.length === 0 ? undefined : await presentBundle(bundle.trustDomain, folder, ours);
  const still = new Set(roots.map(({ fingerprint }) => fingerprint));
  return (
    held &&
    withRoots(
      held,
      held.x509Authorities.filter(({ fingerprint }) => still.has(fingerprint)),
    )
  );
}

/** The bundle of a trust domain as our file of it says; undefined where there is none that can be read. */
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

function goneTrustDomains(surplus: readonly string[], wanted: readonly TrustBundle[]): TrustDomain[] {
  const named = new Set(wanted.map(({ trustDomain }) => trustDomain));
  return trustDomainsOf(surplus).filter((trustDomain) => !named.has(trustDomain));
}

/** Whose bundle documents these files are. */
function trustDomainsOf(names: Iterable<string>): TrustDomain[] {
  return [...names]
    .filter((name) => name.endsWith('.json') && !SHARED_FILES.includes(name))
    .map((name) => name.slice(0, -'.json'.length))
    .filter((name) => isTrustDomain(name));
}

/** The bundles in the folder that our list of files names. Throws `MeshAdapterError`: `file-not-ours`, `file-unreadable`. */
export async function readPresentTrust(folder: string): Promise<PresentTrust[]> {
  const ours = parseManifest(await readBoundedFile(join(folder, MANIFEST_FILE), MAX_FILE_BYTES));
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

/** Replaces the file unless it says the same already. */
async function write(folder: string, name: string, content: Uint8Array): Promise<void> {
  const path = join(folder, name);
  const before = await readBoundedFile(path, MAX_FILE_BYTES);
  if (before && Buffer.compare(before, content) === 0) return;
  await attempt(path, () => writeDurably(path, content));
}

async function attempt(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new MeshAdapterError('file-unwritable', `${JSON.stringify(path)} could not be written`, { cause });
  }
}
