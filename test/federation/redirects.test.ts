import { describe, expect, it } from 'vitest';
import type { FetchError } from '../../src/federation/fetch/errors.ts';
import { defaultRedirectSettings, isRedirect, redirectTarget } from '../../src/federation/fetch/redirects.ts';

const from = new URL('https://peer.example:8443/a/b?q=1');
const target = (location: string | string[] | undefined, rest: { taken?: number; follow?: boolean } = {}) =>
  redirectTarget({
    from,
    location,
    taken: rest.taken ?? 0,
    settings: { ...defaultRedirectSettings, follow: rest.follow ?? true },
  });
const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as FetchError).code;
  }
  return 'none';
};

describe('isRedirect()', () => {
  it('knows the redirects of RFC 7231, and 308 beside 307 (FED-39)', () => {
    expect([301, 302, 303, 307, 308].every(isRedirect)).toBe(true);
    expect([200, 204, 300, 304, 305, 306, 309, 400, 500].some(isRedirect)).toBe(false);
  });
});

describe('redirectTarget()', () => {
  it('follows to any endpoint URL (FED-36)', () => {
    expect(target('https://other.example/x?y=1').href).toBe('https://other.example/x?y=1');
    expect(target('https://10.0.0.1:9443/').href).toBe('https://10.0.0.1:9443/');
  });

  it('resolves relative targets against the URL that gave them (FED-39)', () => {
    expect(target('/c').href).toBe('https://peer.example:8443/c');
    expect(target('c').href).toBe('https://peer.example:8443/a/c');
    expect(target('?z').href).toBe('https://peer.example:8443/a/b?z');
    expect(target('//other.example/c').href).toBe('https://other.example/c');
  });

  it.each([
    ['http://other.example/'],
    ['HTTP://other.example/'],
    ['ftp://other.example/'],
    ['https://user@other.example/'],
    ['https://user:secret@other.example/'],
    ['//user@other.example/'],
    ['https://'],
    ['file:///etc/passwd'],
    ['javascript:alert(1)'],
    [''],
    // A URL parser reads these as relative to where they came from, or as what they are not.
    ['https:c'],
    ['https:/c'],
    ['https:///other.example/c'],
    ['\\\\other.example\\c'],
    ['/\\other.example/c'],
    ['/a b'],
    ['/a\tb'],
    ['/a\nb'],
    ['/a\u0007b'],
    ['https://other.example/a b'],
  ])('refuses %j (FED-08, FED-36)', (location) => {
    expect(refusal(() => target('/c'))).toBe('none');
    expect(refusal(() => target(location))).toBe('redirect-refused');
  });

  it('takes a colon further on for no scheme, and keeps the cause of a refusal', () => {
    expect(target('/ns:x').href).toBe('https://peer.example:8443/ns:x');
    expect(target('./ns:x').href).toBe('https://peer.example:8443/a/ns:x');
    expect(target('?at=https://a.example').href).toBe('https://peer.example:8443/a/b?at=https://a.example');
    expect(() => target('http://other.example/')).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ code: 'url-scheme' }) }),
    );
  });

  it('refuses no target, and several', () => {
    expect(refusal(() => target(undefined))).toBe('redirect-refused');
    expect(refusal(() => target(['https://a.example/', 'https://b.example/']))).toBe('redirect-refused');
  });

  it('follows unless it is configured not to', () => {
    expect(defaultRedirectSettings).toEqual({ follow: true, max: 5 });
  });

  it('ends after five hops, and at once where redirects are turned off (FED-39)', () => {
    expect(refusal(() => target('/c', { taken: 4 }))).toBe('none');
    expect(refusal(() => target('/c', { taken: 5 }))).toBe('too-many-redirects');
    expect(refusal(() => target('/c', { follow: false }))).toBe('redirects-off');
  });
});
