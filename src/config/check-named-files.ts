import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parse } from 'yaml';
import { sentenceOf } from '../errors/index.ts';
import { parseRouteTable } from '../gateway/index.ts';
import { openKubernetesAccess } from '../mesh-adapters/index.ts';
import { svidFromPem } from '../mtls/index.ts';
import { defined } from '../objects/index.ts';
import { formatDurationMs, readRegularText, refuseOpenMode, SecretFileError } from '../platform/index.ts';
import {
  type Certificate,
  certificatesFromPem,
  isTrustDomain,
  parseBundle,
  parseCertificate,
} from '../spiffe/index.ts';
import type { FieldMistake } from './mistakes.ts';
import type { NamedFile, NamedFiles } from './named-files.ts';

/** The mistakes in the files that a config names, and notes for its writer. */
export interface FileFindings {
  readonly mistakes: FieldMistake[];
  readonly notes: { readonly code: string; readonly message: string }[];
}

const MAX_FILE_BYTES = 64 * 1024 * 1024;
const WEEK_MS = 7 * 24 * 3_600_000;
const SHARE_OF_LIFE = 5;

/**
 * Opens every named file and reports what would not work with it now. Never rejects. No message
 * contains any part of a key or token.
 */
export async function checkNamedFiles(files: readonly NamedFiles[], now: Date): Promise<FileFindings> {
  const findings: FileFindings = { mistakes: [], notes: [] };
  for (const named of files) await checkOne(named, { now, findings });
  return findings;
}

interface Surroundings {
  readonly now: Date;
  readonly findings: FileFindings;
}

async function checkOne(named: NamedFiles, around: Surroundings): Promise<void> {
  switch (named.kind) {
    case 'svid':
    case 'web-certificate':
      return checkPair(named, around);
    case 'certificates':
      return attempt(named.at, around, async (path) =>
        checkValidity(named.at, certificatesIn(await read(path)), around),
      );
    case 'own-bundle':
      return attempt(named.at, around, async (path) => {
        const text = await read(path);
        const { trustDomain } = named;
        if (trustDomain === undefined || !isTrustDomain(trustDomain)) return;
        const { bundle } = parseBundle(trustDomain, Buffer.from(text));
        if (bundle.x509Authorities.length + bundle.jwtAuthorities.length === 0)
          throw new Error('it has no key that could be published');
        checkValidity(
          named.at,
          bundle.x509Authorities.map(({ der }) => parseCertificate(der)),
          around,
        );
      });
    case 'secret':
      return attempt(named.at, around, async (path) => {
        await checkMode(named.at, path, around);
        if ((await read(path)).trim() === '') throw new Error('it is empty');
      });
    case 'signing-key':
      return attempt(named.at, around, async (file) => {
        const { readSigningKey } = await import('../demonstration/sidecar/index.ts');
        const { algorithm, purpose } = named;
        await readSigningKey({ id: '', algorithm, file }, purpose);
      });
    case 'routes':
      return attempt(named.at, around, async (path) => void parseRouteTable(parse(await read(path))));
    case 'kubeconfig':
      return attempt(named.at, around, async (path) => {
        const { context } = named;
        await openKubernetesAccess({
          kind: 'kubeconfig',
          path,
          ...defined({ context }),
        });
      });
    case 'made-by-us':
      return attempt(named.at, around, checkPlace);
    default:
      return named satisfies never;
  }
}

/**
 * A certificate with its key: each readable, the key private, the two belonging together, valid
 * now.
 */
async function checkPair(
  named: NamedFiles & { readonly kind: 'svid' | 'web-certificate' },
  around: Surroundings,
): Promise<void> {
  const { certificate, key } = named;
  let chain: string | undefined;
  await attempt(certificate, around, async (path) => {
    const text = await read(path);
    const [leaf] = certificatesIn(text);
    if (leaf) checkValidity(certificate, [leaf], around);
    chain = text;
  });
  await attempt(key, around, async (path) => {
    await checkMode(key, path, around);
    const keyPem = await read(path);
    if (chain === undefined) return;
    if (named.kind === 'svid') svidFromPem(chain, keyPem);
    else await checkWeb(named);
  });
}

async function checkWeb({
  certificate,
  key,
  url,
}: NamedFiles & { readonly kind: 'svid' | 'web-certificate' }): Promise<void> {
  if (url === undefined || !URL.canParse(url)) return;
  const { readWebCertificate } = await import('../bundle-endpoint/index.ts');
  const files = {
    certificateFile: certificate.file,
    keyFile: key.file,
  };
  await readWebCertificate(files, new URL(url));
}

/** Notes the mistake of the file that a check throws. */
async function attempt(
  { path, file }: NamedFile,
  { findings }: Surroundings,
  check: (path: string) => Promise<void>,
): Promise<void> {
  try {
    await check(file);
  } catch (error) {
    findings.mistakes.push({ path, message: `names ${JSON.stringify(file)}, ${whyOf(error)}` });
  }
}

function whyOf(error: unknown): string {
  switch (error instanceof Error && 'code' in error && error.code) {
    case 'ENOENT':
      return 'which does not exist';
    case 'ENOTDIR':
      return 'which is below a file, not below a folder';
    case 'EISDIR':
      return 'which is a folder, not a file';
    case 'EACCES':
    case 'EPERM':
      return 'which this user has no right to open';
    default:
      return `which cannot be used: ${sentenceOf(error)}`;
  }
}

async function read(path: string): Promise<string> {
  if ((await stat(path)).isDirectory()) throw Object.assign(new Error('is a folder'), { code: 'EISDIR' });
  return await readRegularText(path, MAX_FILE_BYTES);
}

function certificatesIn(pem: string): Certificate[] {
  return certificatesFromPem(pem).map((der) => parseCertificate(der));
}

/**
 * An ended certificate next to valid ones is a note. Where none is valid, nothing works with the
 * file.
 */
function checkValidity(
  { path, file }: NamedFile,
  certificates: readonly Certificate[],
  { now, findings }: Surroundings,
): void {
  const invalid = certificates.filter(({ notBefore, notAfter }) => notAfter <= now || notBefore > now);
  for (const { subject, notBefore, notAfter } of invalid) {
    const name = subject === '' ? 'a certificate without a subject' : `the certificate ${subject}`;
    const what =
      notAfter <= now
        ? `${name} ended at ${notAfter.toISOString()}`
        : `${name} is not valid before ${notBefore.toISOString()}`;
    if (invalid.length === certificates.length)
      findings.mistakes.push({ path, message: `names ${JSON.stringify(file)}: ${what}` });
    else findings.notes.push({ code: 'certificate-not-valid', message: `${file}: ${what}` });
  }
  if (invalid.length > 0) return;
  for (const { subject, notBefore, notAfter } of certificates) {
    const leftMs = notAfter.getTime() - now.getTime();
    const leadMs = Math.min(WEEK_MS, (notAfter.getTime() - notBefore.getTime()) / SHARE_OF_LIFE);
    if (leftMs > leadMs) continue;
    const when = `${notAfter.toISOString()}, in ${formatDurationMs(leftMs)}`;
    findings.notes.push({
      code: 'certificate-ends',
      message: `${file}: the certificate ${subject} ends at ${when}`,
    });
  }
}

/** A mode that lets others read a secret is one mistake; the file is still looked at. */
async function checkMode({ path }: NamedFile, place: string, { findings }: Surroundings): Promise<void> {
  try {
    await refuseOpenMode(place);
  } catch (error) {
    if (!(error instanceof SecretFileError)) throw error;
    findings.mistakes.push({ path, message: `names a file that cannot be used: ${error.message}` });
  }
}

/** For a file that the process makes itself, the folder must exist and be writable. */
async function checkPlace(path: string): Promise<void> {
  const folder = dirname(path);
  try {
    if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error('is a file'), { code: 'ENOTDIR' });
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const why =
      code === 'ENOENT'
        ? 'is not there'
        : code === 'EACCES'
          ? 'cannot be written by this user'
          : 'is not a folder';
    throw new Error(`its folder ${folder} ${why}`, { cause: error });
  }
}
