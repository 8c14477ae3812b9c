import { z } from 'zod';
import { readAnswer } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { parseJsonAnswer, refusedByStatus } from '../contract/http-request.ts';
import { type KubernetesObject, parseKubernetesObject } from './kubernetes-object.ts';

/**
 * An event of a watch: the server accepted the watch, an object has a new state, an object was
 * deleted, or the watch has reached a version.
 */
export type WatchEvent =
  | { readonly kind: 'open'; readonly resourceVersion: string }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string }
  | { readonly kind: 'object' | 'gone'; readonly resourceVersion: string; readonly object: KubernetesObject };

/**
 * Whole lines of at most `maxBytes`; what a broken connection left of one is dropped. Throws
 * `MeshAdapterError` `mesh-answer-malformed`.
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncIterable<string> {
  let pending: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
      const line = Buffer.concat([...pending, chunk.subarray(from, end)]).toString('utf8');
      pending = [];
      bytes = 0;
      from = end + 1;
      if (line.trim() !== '') yield line;
    }
    pending.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > maxBytes)
      throw new MeshAdapterError('mesh-answer-malformed', `a watch event is longer than ${maxBytes} bytes`);
  }
}

const EVENT = z.object({ type: z.string(), object: z.unknown().optional() });
const BOOKMARK = z.object({ metadata: z.object({ resourceVersion: z.string() }) });
const ERROR = z
  .object({ code: z.number().catch(500), message: z.string().catch('') })
  .catch({ code: 500, message: '' });

/**
 * One line of a watch of objects of `kind`. Throws `MeshAdapterError`: the code of an `ERROR`
 * event, `mesh-answer-malformed`.
 */
export function parseWatchEvent(line: string, kind: string, what: string): WatchEvent {
  const value = parseJsonAnswer(Buffer.from(line), what);
  const { type, object } = readAnswer(EVENT, value, `an event of ${what}`);
  if (type === 'ERROR') {
    const { code, message } = ERROR.parse(object);
    throw refusedByStatus(code, what, message);
  }
  if (type === 'BOOKMARK') {
    const { resourceVersion } = readAnswer(BOOKMARK, object, `a bookmark of ${what}`).metadata;
    return { kind: 'bookmark', resourceVersion };
  }
  if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') {
    const parsed = parseKubernetesObject(object, kind);
    const { resourceVersion } = parsed.metadata;
    return { kind: type === 'DELETED' ? 'gone' : 'object', resourceVersion, object: parsed };
  }
  throw new MeshAdapterError(
    'mesh-answer-malformed',
    `${what} sent an unknown event: ${JSON.stringify(type)}`,
  );
}
