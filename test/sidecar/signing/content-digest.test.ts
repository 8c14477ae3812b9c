import { describe, expect, it } from 'vitest';
import {
  checkContentDigest,
  contentDigest,
} from '../../../src/demonstration/sidecar/signing/content-digest.ts';

const HELLO = Buffer.from('{"hello": "world"}\n');
/** RFC 9530, appendix D. */
const SHA_256 = 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:';
const SHA_512 =
  'sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:';

const codeOf = (header: string | string[] | undefined, content = HELLO) => {
  try {
    checkContentDigest(header, content);
    return 'good';
  } catch (error) {
    return (error as { code: unknown }).code;
  }
};

describe('Content-Digest (RFC 9530)', () => {
  it('writes what the standard shows', () => {
    expect(contentDigest(HELLO)).toBe(SHA_256);
    expect(contentDigest(Buffer.alloc(0))).toBe('sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:');
  });

  it.each([
    ['sha-256', SHA_256, 'good'],
    ['both', `${SHA_256}, ${SHA_512}`, 'good'],
    ['sha-512 alone', SHA_512, 'good'],
    ['an unknown one next to it', `md5=:AAAA:, ${SHA_256}`, 'good'],
    ['one that lies next to a true one', `${SHA_256}, sha-512=:AAAA:`, 'content-digest-mismatch'],
    ['another content', contentDigest(Buffer.from('x')), 'content-digest-mismatch'],
    ['a part of it', 'sha-256=:RK/0:', 'content-digest-mismatch'],
    ['unknown ones alone', 'md5=:AAAA:, constructor=:AAAA:', 'content-digest-missing'],
    ['nothing', '', 'content-digest-missing'],
    ['no header', undefined, 'content-digest-missing'],
    ['a text', 'sha-256="RK/0"', 'content-digest-malformed'],
    ['a list', 'sha-256=(:AAAA:)', 'content-digest-malformed'],
    ['no dictionary', ':::', 'content-digest-malformed'],
  ])('with %s', (_, header, code) => {
    expect(codeOf(header)).toBe(code);
  });

  it('finds one changed byte', () => {
    expect(codeOf(SHA_256, Buffer.from('{"hello": "World"}\n'))).toBe('content-digest-mismatch');
  });
});
