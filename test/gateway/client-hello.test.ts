import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ClientHelloReader } from '../../src/gateway/client-hello.ts';
import { readClientHello } from '../../src/gateway/index.ts';
import { captureHello } from '../../testkit/capture-hello.ts';

/** The same handshake message cut into records of at most `size` bytes. */
function recut(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let start = 0; start < message.length; start += size) {
    const body = message.subarray(start, start + size);
    records.push(Buffer.from([22, 3, 1, body.length >> 8, body.length & 255]), body);
  }
  return Buffer.concat(records);
}

/** A hello with the given extensions, made by hand. */
function handmade(extensions: readonly (readonly [type: number, body: Buffer])[]): Buffer {
  const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
  const list = Buffer.concat(
    extensions.map(([type, body]) => Buffer.concat([u16(type), u16(body.length), body])),
  );
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32),
    Buffer.from([0]),
    u16(2),
    u16(0x1301),
    Buffer.from([1, 0]),
    u16(list.length),
    list,
  ]);
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  return Buffer.concat([Buffer.from([22, 3, 1]), u16(message.length), message]);
}

function nameExtension(...names: readonly string[]): Buffer {
  const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
  const list = Buffer.concat(
    names.map((name) => Buffer.concat([Buffer.from([0]), u16(name.length), Buffer.from(name, 'latin1')])),
  );
  return Buffer.concat([u16(list.length), list]);
}

describe('readClientHello()', () => {
  let real: Buffer;
  beforeAll(async () => {
    real = await captureHello({ servername: 'Info.West.Example' });
  });

  it('reads the name of a real client, in lower case', () => {
    expect(readClientHello(real)).toEqual({ kind: 'hello', serverName: 'info.west.example' });
  });

  it('reads a hello without a name', async () => {
    expect(readClientHello(await captureHello())).toEqual({ kind: 'hello', serverName: undefined });
  });

  it('gives the same answer for the hello cut at every byte', () => {
    for (let end = 0; end < real.length; end += 1)
      expect(readClientHello(real.subarray(0, end)).kind).toBe('need-more');
    expect(readClientHello(Buffer.concat([real, Buffer.from('more')])).kind).toBe('hello');
  });

  it('gives the same answer however the message is cut into records', () => {
    const length = real.length - 5;
    for (const count of [1, 2, 3, 5, 15, 16])
      expect(readClientHello(recut(real, Math.ceil(length / count)))).toEqual({
        kind: 'hello',
        serverName: 'info.west.example',
      });
    // The head of the message in records of one byte each.
    const oneByOne = [...real.subarray(5, 13)].flatMap((byte) => [22, 3, 1, 0, 1, byte]);
    const rest = recut(Buffer.concat([real.subarray(0, 5), real.subarray(13)]), length);
    expect(readClientHello(Buffer.concat([Buffer.from(oneByOne), rest])).kind).toBe('hello');
  });

  it('refuses more than 16 records, as soon as the seventeenth begins', () => {
    const cut = recut(real, 1);
    const reader = new ClientHelloReader();
    expect(reader.push(cut.subarray(0, 16 * 6 + 4)).kind).toBe('need-more');
    expect(reader.push(cut.subarray(16 * 6 + 4))).toEqual({ kind: 'refused', code: 'hello-too-large' });
    expect(reader.push(real)).toEqual({ kind: 'refused', code: 'hello-too-large' });
  });

  it('gives the same result for bytes in any pieces as for all of them at once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 20, max: 2000 }),
        (changes, pieces, size) => {
          const bytes = recut(real, size);
          for (const [at, value] of changes) bytes[at] = value;
          const reader = new ClientHelloReader();
          let inPieces = reader.push(new Uint8Array());
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const length = pieces[turn % pieces.length] ?? 1;
            inPieces = reader.push(bytes.subarray(at, at + length));
            at += length;
          }
          expect(inPieces).toEqual(readClientHello(bytes));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'not-tls'],
    ['another handshake message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]), 'hello-malformed'],
    ['an endless message', Buffer.from([22, 3, 1, 0, 4, 1, 255, 255, 255]), 'hello-too-large'],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0]), 'hello-malformed'],
    ['two names', handmade([[0, nameExtension('a.example', 'b.example')]]), 'server-name-ambiguous'],
    [
      'the extension twice',
      handmade([
        [0, nameExtension('a')],
        [0, nameExtension('b')],
      ]),
      'server-name-ambiguous',
    ],
    ['a name with a space', handmade([[0, nameExtension('a b')]]), 'server-name-invalid'],
    ['a name with NUL', handmade([[0, nameExtension('a\0b')]]), 'server-name-invalid'],
    ['an empty name', handmade([[0, nameExtension('')]]), 'server-name-invalid'],
    ['a huge name', handmade([[0, nameExtension('a'.repeat(300))]]), 'server-name-invalid'],
    ['an extension that is longer than the list', handmade([[0, Buffer.from([0, 9, 0])]]), 'hello-malformed'],
  ])('refuses %s', (_what, bytes, code) => {
    expect(readClientHello(handmade([[0, nameExtension('a.example')]]))).toEqual({
      kind: 'hello',
      serverName: 'a.example',
    });
    expect(readClientHello(bytes)).toEqual({ kind: 'refused', code });
  });

  it('never throws, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(['need-more', 'hello', 'refused']).toContain(readClientHello(bytes).kind);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(real);
        for (const [at, value] of changes) bytes[at] = value;
        expect(['need-more', 'hello', 'refused']).toContain(readClientHello(bytes).kind);
      }),
      { numRuns: 2000 },
    );
  });
});
