import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import { isTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { boundedList, readAnswer } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';

/** The file that lists which files in the folder are ours. */
export const MANIFEST_FILE = '.federate-files.json';

const FILE_NAME = /^[a-z0-9._-]{1,260}\.(pem|json)$/;
const MAX_FILES = 20_001;
const NOT_OURS = `${MANIFEST_FILE}, which is not a list that we wrote,`;
const MANIFEST = z.object({
  files: boundedList(z.string().regex(FILE_NAME), MAX_FILES),
  ended: z.record(z.string(), z.unknown()).catch({}),
  nobody: z.string().optional().catch(undefined),
});

/** What we remember about the folder. */
export interface Manifest {
  /** The names of our files. */
  readonly files: ReadonlySet<string>;
  /**
   * Trust domains with ended trust, and the time of the end: their PEM files hold a root with a key
   * that does not exist.
   */
  readonly ended: ReadonlyMap<TrustDomain, Date>;
  /** PEM of that root; undefined before it was needed. */
  readonly nobody: string | undefined;
}

/**
 * Reads the list. Throws `MeshAdapterError` `file-not-ours` for a list that we did not write: then
 * we touch nothing.
 */
export function parseManifest(bytes: Uint8Array | undefined): Manifest {
  if (!bytes) return { files: new Set(), ended: new Map(), nobody: undefined };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new MeshAdapterError('file-not-ours', `${NOT_OURS} cannot be used`, { cause: error });
  }
  const data = readAnswer(MANIFEST, value, NOT_OURS, 'file-not-ours');
  return {
    files: new Set(data.files),
    ended: new Map(
      Object.entries(data.ended).flatMap(([name, at]) => {
        const since = new Date(String(at));
        return isTrustDomain(name) && !Number.isNaN(since.getTime()) ? [[name, since] as const] : [];
      }),
    ),
    nobody: data.nobody,
  };
}

export function serializeManifest({ files, ended, nobody }: Manifest): string {
  const since = [...ended].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const value = {
    files: [...files].toSorted(),
    ...(since.length > 0 && {
      ended: Object.fromEntries(since.map(([name, at]) => [name, at.toISOString()])),
    }),
    ...defined({ nobody }),
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
