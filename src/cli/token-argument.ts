import { existsSync } from 'node:fs';
import { readText } from './named-file.ts';
import { UsageError } from './terminal.ts';

/**
 * How every JWS begins in compact serialization: base64url of a brace and what may follow it, then
 * a dot.
 */
const TOKEN = /^e[wy][A-Za-z0-9_-]*\.|^\{/;

/**
 * Whether a word on the command line is a token itself: it then is a credential, and is never
 * printed.
 */
export function looksLikeToken(word: string): boolean {
  return TOKEN.test(word) && !existsSync(word);
}

/**
 * The token that `--jwt` gives: in a file, on standard input (`-`), or the word itself. Throws
 * `UsageError`, which does not repeat the word: it may be a token that was mistyped.
 */
export function readToken(word: string): string {
  if (word === '-' || existsSync(word)) return readText(word, '--jwt').trim();
  if (looksLikeToken(word)) return word;
  throw new UsageError(
    '--jwt takes a token, a file that holds one, or - for standard input; there is no such file, and it is not a token',
  );
}
