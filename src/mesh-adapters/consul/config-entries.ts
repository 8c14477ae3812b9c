import { z } from 'zod';
import { isMapping } from '../../objects/index.ts';
import { boundedList, readAnswer } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { fieldsOf, listOf } from '../contract/fields.ts';
import type { ConsulClient } from './consul-client.ts';

/** The kinds of config entries that are read or written for services. */
export type ConfigKind = 'exported-services' | 'service-intentions' | 'service-defaults' | 'proxy-defaults';

/** A config entry: one for each kind and name, so every writer of it has to keep what others wrote. */
export interface ConfigEntry {
  readonly kind: ConfigKind;
  readonly name: string;
  /** Every field, those that Consul computes left out. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly modifyIndex: number;
}

/** Without its index an entry cannot be written over: Consul takes 0 for an entry that is not there. */
const ENTRY = z.object({ Name: z.string().catch(''), ModifyIndex: z.number().catch(0) });
/** Computed by Consul at each write. */
const COMPUTED: ReadonlySet<string> = new Set(['CreateIndex', 'ModifyIndex', 'Hash']);

/** The entry, or undefined where there is none. Throws `MeshAdapterError`. */
export async function readConfigEntry(
  client: ConsulClient,
  kind: ConfigKind,
  name: string,
  signal: AbortSignal,
): Promise<ConfigEntry | undefined> {
  const path = pathOf(kind, name);
  try {
    const { value } = await client.send('GET', path, { signal });
    readAnswer(ENTRY, value, path);
    return entryOf(kind, value);
  } catch (error) {
    if (error instanceof MeshAdapterError && error.code === 'mesh-not-found') return undefined;
    throw error;
  }
}

/** Every entry of a kind that our token may read. Throws `MeshAdapterError`. */
export async function listConfigEntries(
  client: ConsulClient,
  kind: ConfigKind,
  signal: AbortSignal,
): Promise<readonly ConfigEntry[]> {
  const path = `/v1/config/${kind}`;
  const { value } = await client.send('GET', path, { signal });
  readAnswer(boundedList(ENTRY), value ?? [], path);
  return listOf(value).map((entry) => entryOf(kind, entry));
}

/**
 * Writes an entry at the version that was read, or a new one. Throws `mesh-conflict` where another
 * writer was faster.
 */
export async function putConfigEntry(
  client: ConsulClient,
  before: ConfigEntry | undefined,
  fields: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<void> {
  const query = { cas: String(before?.modifyIndex ?? 0) };
  const { value } = await client.send('PUT', '/v1/config', { query, body: fields, signal });
  if (value !== true) throw conflict(fields);
}

/** Deletes an entry at the version that was read. Throws `mesh-conflict`. */
export async function deleteConfigEntry(
  client: ConsulClient,
  { kind, name, fields, modifyIndex }: ConfigEntry,
  signal: AbortSignal,
): Promise<void> {
  const query = { cas: String(modifyIndex) };
  const { value } = await client.send('DELETE', pathOf(kind, name), { query, signal });
  if (value === false) throw conflict(fields);
}

/** The fields of a mapping `Meta`; texts only. */
export function metaOf({ Meta: meta }: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  if (!isMapping(meta)) return {};
  return Object.fromEntries(
    Object.entries(meta).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])),
  );
}

/** The fields with this `Meta`, and without one where it is empty. */
export function withMeta(
  entry: Readonly<Record<string, unknown>>,
  meta: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const { Meta: _, ...fields } = entry;
  return Object.keys(meta).length === 0 ? fields : { ...fields, Meta: meta };
}

function pathOf(kind: ConfigKind, name: string): string {
  return `/v1/config/${kind}/${encodeURIComponent(name)}`;
}

/** The fields stay in their order, because the entry may be written back. */
function entryOf(kind: ConfigKind, value: unknown): ConfigEntry {
  const { Name: name, ModifyIndex: modifyIndex } = ENTRY.parse(value);
  const fields = Object.entries(fieldsOf(value)).filter(([key]) => !COMPUTED.has(key));
  return { kind, name, fields: Object.fromEntries(fields), modifyIndex };
}

function conflict({ Kind, Name }: Readonly<Record<string, unknown>>): MeshAdapterError {
  return new MeshAdapterError(
    'mesh-conflict',
    `another writer changed the config entry ${String(Kind)} ${String(Name)} meanwhile`,
  );
}
