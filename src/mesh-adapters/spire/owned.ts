import { writeDurably } from '../../platform/index.ts';
import { isTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../errors.ts';
import { readBoundedFile } from '../files/bounded-file.ts';

const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Whose bundles in SPIRE are ours. SPIRE has no place for a mark on a bundle, so a file of ours says it; without it nothing
 * is ours. Throws `MeshAdapterError`: `file-unreadable`, `file-not-ours`.
 */
export async function readOwned(path: string): Promise<ReadonlySet<TrustDomain>> {
  const bytes = await readBoundedFile(path, MAX_BYTES);
  if (!bytes) return new Set();
  const notOurs = (cause?: unknown) =>
    new MeshAdapterError('file-not-ours', `${JSON.stringify(path)} is not a list that we wrote`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw notOurs(error);
  }
  const { trustDomains } = Object(value) as { trustDomains?: unknown };
  if (!Array.isArray(trustDomains)) throw notOurs();
  const names = trustDomains.filter((each) => typeof each === 'string').filter((each) => isTrustDomain(each));
  if (names.length !== trustDomains.length) throw notOurs();
  return new Set(names);
}

/** Writes the list. Throws `MeshAdapterError` `file-unwritable`. */
export async function writeOwned(path: string, owned: ReadonlySet<TrustDomain>): Promise<void> {
  const text = `${JSON.stringify({ trustDomains: [...owned].toSorted() }, undefined, 2)}\n`;
  try {
    await writeDurably(path, Buffer.from(text));
  } catch (cause) {
    throw new MeshAdapterError('file-unwritable', `${JSON.stringify(path)} could not be written`, { cause });
  }
}
