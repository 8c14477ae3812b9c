import { z } from 'zod';
import { writeDurably } from '../../platform/index.ts';
import { isTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { boundedList, readAnswer } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { readBoundedFile } from '../files/bounded-file.ts';

const MAX_BYTES = 8 * 1024 * 1024;
const trustDomain = z.string().refine(isTrustDomain, 'it is not a trust domain');
const OWNED = z.object({
  server: trustDomain.optional(),
  trustDomains: boundedList(trustDomain),
  relationships: boundedList(trustDomain).default([]),
});

/** Our entries in a SPIRE server. */
export interface Owned {
  /**
   * The trust domain of the server; undefined where none was noted yet, or an older version wrote
   * the file.
   */
  readonly server: TrustDomain | undefined;
  /** The trust domains of our bundles. */
  readonly bundles: ReadonlySet<TrustDomain>;
  /** The trust domains of our federation relationships. */
  readonly relationships: ReadonlySet<TrustDomain>;
}

/**
 * Reads and writes the file that lists our entries, because SPIRE cannot mark a bundle or a
 * relationship. Without the file nothing is ours. Throws `MeshAdapterError`: `file-unreadable`,
 * `file-not-ours`.
 */
export async function readOwned(path: string): Promise<Owned> {
  const bytes = await readBoundedFile(path, MAX_BYTES);
  if (!bytes) return { server: undefined, bundles: new Set(), relationships: new Set() };
  const what = `${JSON.stringify(path)}, which is not a list that we wrote,`;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new MeshAdapterError('file-not-ours', `${what} cannot be used`, { cause });
  }
  const { server, trustDomains, relationships } = readAnswer(OWNED, value, what, 'file-not-ours');
  return { server, bundles: new Set(trustDomains), relationships: new Set(relationships) };
}

/** Writes the list. Throws `MeshAdapterError` `file-unwritable`. */
export async function writeOwned(path: string, { server, bundles, relationships }: Owned): Promise<void> {
  const value = {
    server,
    trustDomains: [...bundles].toSorted(),
    relationships: [...relationships].toSorted(),
  };
  try {
    await writeDurably(path, Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`));
  } catch (cause) {
    throw new MeshAdapterError('file-unwritable', `${JSON.stringify(path)} could not be written`, { cause });
  }
}

/** Whether both have the same content. */
export function sameOwned(a: Owned, b: Owned): boolean {
  const same = (one: ReadonlySet<string>, two: ReadonlySet<string>) =>
    one.size === two.size && [...one].every((each) => two.has(each));
  return a.server === b.server && same(a.bundles, b.bundles) && same(a.relationships, b.relationships);
}
