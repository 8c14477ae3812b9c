import { defined } from '../../objects/index.ts';
import { type Clock, watchFiles } from '../../platform/index.ts';
import {
  BundleError,
  type BundleNote,
  type BundleNoteCode,
  defaultBundleLimits,
  parseBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import type { AdapterState } from '../contract/adapter-state.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { ownRootsFromPem, ownRootsFromSources } from '../contract/own-roots.ts';
import { readBoundedFile } from './bounded-file.ts';

/** Where the own roots are: PEM files, or one SPIFFE bundle document. */
export type OwnFiles = { readonly pemFiles: readonly string[] } | { readonly bundleFile: string };

/**
 * Notes that leave no key out. After any other note a peer would treat one of our keys as revoked.
 */
const HARMLESS: ReadonlySet<BundleNoteCode> = new Set([
  'entry-repeated',
  'entry-surplus-certificates',
  'entry-key-id-shared',
  'refresh-hint-ignored',
]);

/**
 * Reads the own trust from the files: roots, and from a bundle document the JWT keys too;
 * everything or nothing. Throws `MeshAdapterError`: `file-unreadable`, `own-roots-malformed`.
 */
export async function loadOwnTrust(trustDomain: TrustDomain, own: OwnFiles): Promise<OwnTrust> {
  if ('pemFiles' in own) {
    const sources = await Promise.all(
      own.pemFiles.map(async (where) => ({ where, pems: [(await read(where)).toString('utf8')] })),
    );
    return { trustDomain, roots: ownRootsFromSources(sources) };
  }
  const bytes = await read(own.bundleFile);
  try {
    const { bundle, notes } = parseBundle(trustDomain, bytes, defaultBundleLimits, 'readable');
    refuseLoss(notes, own.bundleFile);
    return { trustDomain, roots: bundle.x509Authorities, jwtAuthorities: bundle.jwtAuthorities };
  } catch (cause) {
    if (!(cause instanceof BundleError)) throw cause;
    throw new MeshAdapterError(
      'own-roots-malformed',
      `the own bundle in ${own.bundleFile} could not be read`,
      {
        cause,
      },
    );
  }
}

function refuseLoss(notes: readonly BundleNote[], path: string): void {
  const loss = notes.find(({ code }) => !HARMLESS.has(code));
  if (!loss) return;
  throw new MeshAdapterError(
    'own-roots-malformed',
    `the own bundle in ${path} is not published, because an entry of it would be left out, and peers would take its key for revoked: ${loss.message}`,
  );
}

async function read(path: string): Promise<Buffer> {
  const bytes = await readBoundedFile(path, defaultBundleLimits.maxBytes);
  if (bytes) return bytes;
  throw new MeshAdapterError('file-unreadable', `${JSON.stringify(path)} is not there`);
}

/**
 * The fingerprints of the roots in the PEM file of signing roots; undefined without such a
 * file. Throws as `loadOwnTrust`.
 */
async function loadSigning(signingPemFile: string | undefined): Promise<readonly string[] | undefined> {
  if (signingPemFile === undefined) return undefined;
  const pem = (await read(signingPemFile)).toString('utf8');
  return ownRootsFromPem([pem], signingPemFile).map(({ fingerprint }) => fingerprint);
}

/**
 * The own trust with the roots that sign now, read from the files at this moment. Throws as
 * `loadOwnTrust`.
 */
export async function readOnce(options: {
  readonly trustDomain: TrustDomain;
  readonly own: OwnFiles;
  readonly signingPemFile?: string | undefined;
}): Promise<OwnTrust> {
  const [trust, signing] = await Promise.all([
    loadOwnTrust(options.trustDomain, options.own),
    loadSigning(options.signingPemFile),
  ]);
  return { ...trust, ...defined({ signing }) };
}

/** The files that the own trust is in. */
export function pathsOf(own: OwnFiles, signingPemFile: string | undefined): readonly string[] {
  const files = 'pemFiles' in own ? own.pemFiles : [own.bundleFile];
  return signingPemFile === undefined ? files : [...files, signingPemFile];
}

/**
 * Reports the own trust now and after each change of the files, until the signal aborts. A bad file
 * changes nothing.
 */
export async function readOwnTrust(options: {
  readonly trustDomain: TrustDomain;
  readonly own: OwnFiles;
  /** PEM file with the roots that sign now. */
  readonly signingPemFile?: string | undefined;
  readonly pollMs: number;
  readonly state: AdapterState;
  readonly report: (own: OwnTrust) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { trustDomain, own, signingPemFile, pollMs, state, report, clock, signal } = options;
  const look = async () => {
    try {
      report(await readOnce({ trustDomain, own, signingPemFile }));
      state.contact('roots');
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      state.trouble('roots', error);
    }
  };
  await watchFiles({ paths: pathsOf(own, signingPemFile), everyMs: pollMs, clock, signal, look });
}
