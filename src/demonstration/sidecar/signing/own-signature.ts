import type { IncomingHttpHeaders } from 'node:http';
import {
  type Dictionary,
  type InnerList,
  isInnerList,
  type Item,
  parseDictionary,
  serializeDictionary,
} from 'structured-headers';
import { SidecarError } from '../errors.ts';
import { TAG } from './signed-request.ts';

/** A signature with our tag. */
export interface OwnSignature {
  readonly label: string;
  readonly input: InnerList;
  readonly signature: Buffer;
}

/**
 * The signatures of a message that have our tag. Throws `SidecarError` `signature-malformed` where
 * the headers cannot be read, or one of the two lacks a label of ours.
 */
export function ownSignatures(headers: IncomingHttpHeaders): readonly OwnSignature[] {
  const inputs = dictionary(headers['signature-input'], 'signature-input');
  const signatures = dictionary(headers['signature'], 'signature');
  return [...inputs].flatMap(([label, input]) => {
    if (!isOurs(input)) return [];
    if (!isInnerList(input)) throw malformed(`the input of ${JSON.stringify(label)} is not a list`);
    const [value] = signatures.get(label) ?? [];
    if (!(value instanceof ArrayBuffer))
      throw malformed(`there is no signature ${JSON.stringify(label)}, or it is not a byte sequence`);
    return [{ label, input, signature: Buffer.from(value) }];
  });
}

/**
 * Both headers without the signatures that have our tag, which are for one hop. A header that is
 * empty then is undefined. Throws as `ownSignatures`.
 */
export function withoutOwnSignatures(headers: IncomingHttpHeaders): {
  signature: string | undefined;
  'signature-input': string | undefined;
} {
  const inputs = dictionary(headers['signature-input'], 'signature-input');
  const signatures = dictionary(headers['signature'], 'signature');
  for (const [label, input] of inputs) {
    if (!isOurs(input)) continue;
    inputs.delete(label);
    signatures.delete(label);
  }
  return { signature: textOf(signatures), 'signature-input': textOf(inputs) };
}

function isOurs([, parameters]: Item | InnerList): boolean {
  return parameters.get('tag') === TAG;
}

function dictionary(header: string | readonly string[] | undefined, name: string): Dictionary {
  if (header === undefined) return new Map();
  try {
    return parseDictionary(typeof header === 'string' ? header : header.join(', '));
  } catch (cause) {
    throw new SidecarError('signature-malformed', `the header "${name}" of the request cannot be read`, {
      cause,
    });
  }
}

function textOf(entries: Dictionary): string | undefined {
  return entries.size === 0 ? undefined : serializeDictionary(entries);
}

function malformed(why: string): SidecarError {
  return new SidecarError('signature-malformed', why);
}
