import { dirname, resolve } from 'node:path';
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { messageOf } from '../errors/index.ts';
import { readRegularFileSync } from '../platform/index.ts';
import { withAbsolutePaths } from './absolute-paths.ts';
import { ConfigError, type ConfigMistake } from './config-error.ts';
import { yamlMistakes } from './yaml-mistakes.ts';

/** The text of a config file: its YAML, and the place of each field. */
export interface ConfigText {
  readonly file: string;
  /** The YAML as values; the paths in them are absolute (`withAbsolutePaths`). */
  readonly value: unknown;
  /**
   * The line, counted from 1, of a field; of what is missing, the line of the section that should
   * have it, if it is in one.
   */
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

/** More than any sensible config; a larger file is a mistake in the path. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Reads one YAML file, or takes `text` for what will be in it. Throws `ConfigError`
 * `config-unreadable`, `config-not-yaml`.
 */
export function readConfigText(file: string, schema: z.ZodType, text = readText(file)): ConfigText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const notYaml = (mistakes: readonly ConfigMistake[], cause?: unknown) =>
    new ConfigError('config-not-yaml', `the config ${file} is not YAML`, mistakes, { cause });
  if (document.errors.length > 0) {
    throw notYaml(yamlMistakes(document.errors, lines));
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    // Aliases are only followed here: one that leads nowhere, or too many of them.
    throw notYaml([{ path: '', message: messageOf(cause) }], cause);
  }
  return {
    file: resolve(file),
    value: withAbsolutePaths(schema, value, dirname(resolve(file))),
    lineOf: (path) => {
      const offset = offsetOf(document, path);
      return offset === undefined ? undefined : lines.linePos(offset).line;
    },
  };
}

/**
 * The place of a field's key, or of its entry in a list. Otherwise the section that should have it,
 * unless that is the file as a whole.
 */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (!pair) break;
      offset = rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(part)];
      if (item === undefined) break;
      offset = rangeStart(item) ?? offset;
      node = item;
    } else break;
  }
  return offset;
}

function rangeStart(node: unknown): number | undefined {
  return (isMap(node) || isSeq(node) || isScalar(node) ? (node as Node).range : undefined)?.[0];
}

function readText(file: string): string {
  try {
    return decode(readRegularFileSync(file, MAX_CONFIG_BYTES));
  } catch (cause) {
    const why = messageOf(cause);
    throw new ConfigError('config-unreadable', `reading the config ${file} failed: ${why}`, [], { cause });
  }
}

/** The text of UTF-8. Throws in plain words where the bytes are another encoding. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const [first, second] = bytes;
    const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
    const what = isUtf16 ? 'it is UTF-16' : 'it holds bytes that are not UTF-8';
    throw new RangeError(`${what}: save it as UTF-8`, { cause });
  }
}
