import { writeDurably } from '../../platform/index.ts';
import { isTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { readBoundedFile } from '../files/bounded-file.ts';

const MAX_BYTES = 8 * 1024 * 1024;

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
  const notOurs = (cause?: unknown) =>
    new MeshAdapterError('file-not-ours', `${JSON.stringify(path)} is not a list that we wrote`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw notOurs(error);
  }
  const { server, trustDomains, relationships = [] } = Object(value) as Record<string, unknown>;
  const [bundles, polled] = [namesOf(trustDomains), namesOf(relationships)];
  const named = server === undefined || (typeof server === 'string' && isTrustDomain(server));
  if (!bundles || !polled || !named) throw notOurs();
  return { server, bundles, relationships: polled };
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

function namesOf(value: unknown): ReadonlySet<TrustDomain> | undefined {
  if (!Array.isArray(value)) return undefined;
  const names = value.filter((each) => typeof each === 'string').filter((each) => isTrustDomain(each));
  return names.length === value.length ? new Set(names) : undefined;
}
