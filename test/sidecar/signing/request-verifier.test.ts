import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadRequestVerifier } from '../../../src/demonstration/sidecar/index.ts';
import { SidecarError } from '../../../src/demonstration/sidecar/errors.ts';
import { contentDigest } from '../../../src/demonstration/sidecar/signing/content-digest.ts';
import { parseSpiffeId } from '../../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';

const CALLER = parseSpiffeId('spiffe://a.example/caller');
const SETTINGS = { maxSkewMs: 10_000, maxLifetimeMs: 60_000, maxBodyBytes: 1000, replayMemory: 3 };
const SECRET = randomBytes(32);
const NOW = Math.floor(TEST_INSTANT.getTime() / 1000);
const COVERED = '"@method" "@authority" "@path" "@query" "content-digest"';

interface Forged {
  covered: string;
  /** The lines of the signature base, without the last. */
  lines: string[];
  params: Record<string, string | number | undefined>;
  secret: Buffer;
  label: string;
}

/** A request and its signature, made by hand as RFC 9421 §2.5 says; a test changes what it attacks. */
function signed(changes: Partial<Forged> = {}, request: Record<string, string | undefined> = {}) {
  const digest = contentDigest(Buffer.from('hello'));
  const { params, label = 'federate', secret = SECRET, covered = COVERED } = changes;
  const all: Record<string, string | number | undefined> = {
    created: NOW,
    expires: NOW + 30,
    nonce: '"abcdefghijklmnop"',
    keyid: '"key-1"',
    alg: '"hmac-sha256"',
    tag: '"federate-sidecar"',
    ...params,
  };
  const lines = changes.lines ?? [
    '"@method": POST',
    '"@authority": info.test',
    '"@path": /a/b',
    '"@query": ?c=d',
    `"content-digest": ${digest}`,
  ];
  const input = `(${covered})${Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `;${name}=${value}`)
    .join('')}`;
  const base = [...lines, `"@signature-params": ${input}`].join('\n');
  const mac = createHmac('sha256', secret).update(base).digest('base64');
  const { method = 'POST', target = '/a/b?c=d', ...headers } = request;
  return {
    method,
    target,
    headers: {
      host: 'info.test',
      'content-digest': digest,
      'signature-input': `${label}=${input}`,
      signature: `${label}=:${mac}:`,
      ...headers,
    },
  };
}

async function verifier(settings: Partial<typeof SETTINGS> = {}, callers?: string[]) {
  using folder = tempDir();
  const file = folder.file('secret');
  writeFileSync(file, SECRET.toString('base64'), { mode: 0o600 });
  const clock = new TestClock(TEST_INSTANT);
  const keys = [
    {
      id: 'key-1',
      algorithm: 'hmac-sha256' as const,
      file,
      ...(callers && { callers: callers.map(parseSpiffeId) }),
    },
  ];
  const requests = await loadRequestVerifier(keys, { ...SETTINGS, ...settings }, clock);
  const codeOf = async (request: ReturnType<typeof signed>, caller = CALLER) =>
    await requests.verify(request, caller).then(
      () => 'good',
      (error: unknown) => (error instanceof SidecarError ? error.code : String(error)),
    );
  return { clock, codeOf };
}

describe('RequestVerifier', () => {
  it('takes a signature that was made by hand after the standard', async () => {
    const { codeOf } = await verifier();
    expect(await codeOf(signed())).toBe('good');
  });

  it('takes each signature once', async () => {
    const { codeOf, clock } = await verifier();
    expect([await codeOf(signed()), await codeOf(signed())]).toEqual(['good', 'signature-replayed']);
    await clock.advance(39_000);
    expect(await codeOf(signed())).toBe('signature-replayed');
    await clock.advance(3000);
    expect(await codeOf(signed())).toBe('signature-expired');
  });

  it('never takes one of two equal requests that come at the same time', async () => {
    const { codeOf } = await verifier();
    const outcomes = await Promise.all([codeOf(signed()), codeOf(signed()), codeOf(signed())]);
    expect(outcomes.toSorted()).toEqual(['good', 'signature-replayed', 'signature-replayed']);
  });

  it('closes when it cannot remember more, and opens again', async () => {
    const { codeOf, clock } = await verifier();
    const numbered = (index: number, seconds = 0) =>
      signed({
        params: {
          nonce: `"abcdefghijklmnop${index}"`,
          created: NOW + seconds,
          expires: NOW + seconds + 10,
        },
      });
    for (let index = 0; index < 3; index += 1) expect(await codeOf(numbered(index))).toBe('good');
    expect(await codeOf(numbered(3))).toBe('replay-memory-full');
    await clock.advance(30_000);
    expect(await codeOf(numbered(4, 30))).toBe('good');
  });

  it('does not let a bad signature use up a nonce', async () => {
    const { codeOf } = await verifier();
    expect(await codeOf(signed({ secret: randomBytes(32) }))).toBe('signature-invalid');
    expect(await codeOf(signed())).toBe('good');
  });

  it.each<[string, Record<string, string | undefined>]>([
    ['the method', { method: 'PUT' }],
    ['the case of the method', { method: 'post' }],
    ['the host', { host: 'other.test' }],
    ['the port', { host: 'info.test:8443' }],
    ['the path', { target: '/a/c?c=d' }],
    ['the path in a way that URLs read as equal', { target: '/a/x/../b?c=d' }],
    ['the path by an escape', { target: '/a/%62?c=d' }],
    ['the path by a slash', { target: '/a//b?c=d' }],
    ['the query', { target: '/a/b?c=e' }],
    ['the query by nothing', { target: '/a/b' }],
    ['the query by an escape', { target: '/a/b?c=%64' }],
    ['the digest', { 'content-digest': contentDigest(Buffer.from('other')) }],
    [
      'the digest by a second one',
      { 'content-digest': `${contentDigest(Buffer.from('hello'))}, sha-512=:AAAA:` },
    ],
  ])('refuses a request whose signature is for another: %s', async (_, request) => {
    const { codeOf } = await verifier();
    expect(await codeOf(signed({}, request))).toBe('signature-invalid');
  });

  it.each<[string, Parameters<typeof signed>, string]>([
    ['no signature', [{}, { signature: undefined, 'signature-input': undefined }], 'signature-missing'],
    ['an input without a signature', [{}, { signature: undefined }], 'signature-malformed'],
    ['a signature without an input', [{}, { 'signature-input': undefined }], 'signature-missing'],
    ['another label in the two', [{}, { signature: 'other=:AAAA:' }], 'signature-malformed'],
    ['a signature that is a text', [{}, { signature: 'federate="AAAA"' }], 'signature-malformed'],
    ['a shorter signature', [{}, { signature: 'federate=:AAAA:' }], 'signature-invalid'],
    ['an input that cannot be read', [{}, { 'signature-input': 'federate=(' }], 'signature-malformed'],
    [
      'an input that is an item',
      [{}, { 'signature-input': 'federate="@method";tag="federate-sidecar"' }],
      'signature-malformed',
    ],
    ['another tag', [{ params: { tag: '"other"' } }], 'signature-missing'],
    ['no tag', [{ params: { tag: undefined } }], 'signature-missing'],
    ['an unknown key', [{ params: { keyid: '"key-2"' } }], 'signature-key-unknown'],
    [
      'a key by the name of a member of objects',
      [{ params: { keyid: '"constructor"' } }],
      'signature-key-unknown',
    ],
    ['another algorithm', [{ params: { alg: '"ed25519"' } }], 'signature-algorithm-refused'],
    ['no key ID', [{ params: { keyid: undefined } }], 'signature-incomplete'],
    ['no nonce', [{ params: { nonce: undefined } }], 'signature-incomplete'],
    ['no created', [{ params: { created: undefined } }], 'signature-incomplete'],
    ['no expires', [{ params: { expires: undefined } }], 'signature-incomplete'],
    ['a short nonce', [{ params: { nonce: '"abc"' } }], 'signature-malformed'],
    ['a long nonce', [{ params: { nonce: `"${'a'.repeat(129)}"` } }], 'signature-malformed'],
    ['a nonce that is a number', [{ params: { nonce: 1_234_567_890_123 } }], 'signature-malformed'],
    ['created that is a text', [{ params: { created: `"${NOW}"` } }], 'signature-malformed'],
    ['created that is not whole', [{ params: { created: `${NOW}.5` } }], 'signature-malformed'],
    ['a life that is too long', [{ params: { expires: NOW + 61 } }], 'signature-lifetime-refused'],
    ['a life that is over before it begins', [{ params: { expires: NOW } }], 'signature-lifetime-refused'],
    [
      'created in the future',
      [{ params: { created: NOW + 12, expires: NOW + 30 } }],
      'signature-not-yet-valid',
    ],
    ['created before the start', [{ params: { created: NOW - 1 } }], 'signature-expired'],
    ['expired', [{ params: { created: NOW - 60, expires: NOW - 20 } }], 'signature-expired'],
    ...['@method', '@authority', '@path', '@query', 'content-digest'].map(
      (name): [string, Parameters<typeof signed>, string] => [
        `${name} not covered`,
        [
          {
            covered: COVERED.replace(`"${name}"`, '').replace('  ', ' ').trim(),
            lines: [
              '"@method": POST',
              '"@authority": info.test',
              '"@path": /a/b',
              '"@query": ?c=d',
              `"content-digest": ${contentDigest(Buffer.from('hello'))}`,
            ].filter((line) => !line.startsWith(`"${name}"`)),
          },
        ],
        'signature-incomplete',
      ],
    ),
    [
      'a component with a parameter',
      [{ covered: `${COVERED.replace('"content-digest"', '"content-digest";key="x"')}` }],
      'signature-malformed',
    ],
    [
      'a component of another request',
      [{ covered: COVERED.replace('"@method"', '"@method";req') }],
      'signature-malformed',
    ],
    ['a component twice', [{ covered: `${COVERED} "@method"` }], 'signature-malformed'],
    [
      'too many components',
      [{ covered: `${COVERED} ${Array.from({ length: 30 }, (_, i) => `"x-${i}"`).join(' ')}` }],
      'signature-malformed',
    ],
    ['a header that is not there', [{ covered: `${COVERED} "x-absent"` }], 'signature-malformed'],
    [
      'a header by the name of a member of objects',
      [{ covered: `${COVERED} "constructor"` }],
      'signature-malformed',
    ],
    ['a component that nobody knows', [{ covered: `${COVERED} "@status"` }], 'signature-malformed'],
    ['a whole URL as its target', [{}, { target: 'http://info.test/a/b?c=d' }], 'request-malformed'],
    ['no host', [{}, { host: undefined }], 'request-malformed'],
  ])('refuses %s', async (_, [changes, request = {}], code) => {
    const { codeOf } = await verifier();
    const { method, target, headers } = signed(changes, request);
    const kept = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
    expect(await codeOf({ method, target, headers: kept } as ReturnType<typeof signed>)).toBe(code);
  });

  it('refuses two signatures of sidecars, and ignores those of others', async () => {
    const { codeOf } = await verifier();
    const one = signed();
    const two = signed({ label: 'second' });
    const both = (name: 'signature' | 'signature-input') => `${one.headers[name]}, ${two.headers[name]}`;
    expect(
      await codeOf({
        ...one,
        headers: { ...one.headers, signature: both('signature'), 'signature-input': both('signature-input') },
      }),
    ).toBe('signature-malformed');
    const foreign = (name: string, value: string) => `theirs=${value}, ${name}`;
    expect(
      await codeOf({
        ...one,
        headers: {
          ...one.headers,
          signature: foreign(one.headers.signature, ':AAAA:'),
          'signature-input': foreign(one.headers['signature-input'], '("@method");keyid="x"'),
        },
      }),
    ).toBe('good');
  });

  it('covers further headers where the signer wants that', async () => {
    const { codeOf } = await verifier();
    const changes = (nonce: string) => ({
      covered: `${COVERED} "x-tenant"`,
      lines: [
        '"@method": POST',
        '"@authority": info.test',
        '"@path": /a/b',
        '"@query": ?c=d',
        `"content-digest": ${contentDigest(Buffer.from('hello'))}`,
        '"x-tenant": blue',
      ],
      params: { nonce: `"abcdefghijklmnop${nonce}"` },
    });
    expect(await codeOf(signed(changes('1'), { 'x-tenant': ' blue ' }))).toBe('good');
    expect(await codeOf(signed(changes('2'), { 'x-tenant': 'red' }))).toBe('signature-invalid');
  });

  it('reads the default port and the case of a host as the standard does', async () => {
    const { codeOf } = await verifier();
    expect(await codeOf(signed({}, { host: 'INFO.test:443' }))).toBe('good');
  });

  it('takes a key from its callers only', async () => {
    const { codeOf } = await verifier({}, ['spiffe://a.example/other']);
    expect(await codeOf(signed())).toBe('signature-key-not-of-caller');
    expect(await codeOf(signed(), parseSpiffeId('spiffe://a.example/other'))).toBe('good');
  });

  it('allows for clocks that differ, up to the limit', async () => {
    const { codeOf, clock } = await verifier();
    expect(await codeOf(signed({ params: { created: NOW + 10, expires: NOW + 30 } }))).toBe('good');
    await clock.advance(39_000);
    expect(await codeOf(signed({ params: { nonce: '"abcdefghijklmnop2"' } }))).toBe('good');
  });
});
