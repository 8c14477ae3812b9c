import { MeshAdapterError } from '../errors.ts';

/** The file that lists which files in the folder are ours. */
export const MANIFEST_FILE = '.federate-files.json';

const FILE_NAME = /^[a-z0-9._-]{1,260}\.(pem|json)$/;
const MAX_FILES = 20_001;

/** The names of our files. Throws `MeshAdapterError` `file-not-ours` for a list that is none: then nothing may be touched. */
export function parseManifest(bytes: Uint8Array | undefined): Set<string> {
  if (!bytes) return new Set();
  const notOurs = (cause?: unknown) =>
    new MeshAdapterError('file-not-ours', `${MANIFEST_FILE} is not a list that we wrote`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw notOurs(error);
  }
  const { files } = Object(value) as { files?: unknown };
  if (!Array.isArray(files) || files.length > MAX_FILES) throw notOurs();
  const names = files.filter((name): name is string => typeof name === 'string' && FILE_NAME.test(name));
  if (names.length !== files.length) throw notOurs();
  return new Set(names);
}

export function serializeManifest(files: ReadonlySet<string>): string {
  return `${JSON.stringify({ files: [...files].sort() }, undefined, 2)}\n`;
}
