import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAuthorityRepair } from '../../src/workload-api/authority-repair.ts';
import { takesNoStreams } from '../../src/workload-api/first-flight.ts';
import { authorityField, callHeaders, firstFlight, frame, headerString } from '../../testkit/http2-bytes.ts';

const JAVA = firstFlight([2, 0], [3, 0], [4, 1_048_576], [6, 8192]);
const PATH = '/run/federate/w.sock';
const REPAIRED = '-run-federate-w.sock';

function repaired(bytes: Buffer, chunkBytes = bytes.length): Buffer {
  const repair = createAuthorityRepair();
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes)
    chunks.push(Buffer.from(repair(Buffer.from(bytes.subarray(at, at + chunkBytes)))));
  return Buffer.concat(chunks);
}

const request = (block: Buffer, flags = 0x4) => Buffer.concat([JAVA, frame(1, flags, 3, block)]);

describe('takesNoStreams()', () => {
  it('is true for a client that accepts no streams from the server, and false for any other', () => {
    expect(takesNoStreams(JAVA)).toBe(true);
    expect(takesNoStreams(firstFlight([2, 0], [3, 100]))).toBe(false);
    expect(takesNoStreams(firstFlight())).toBe(false);
    expect(takesNoStreams(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBe(false);
    expect(takesNoStreams(Buffer.concat([JAVA.subarray(0, 24), frame(1, 4, 1, Buffer.alloc(30))]))).toBe(
      false,
    );
    expect(takesNoStreams(Buffer.concat([JAVA.subarray(0, 24), frame(4, 0, 0, Buffer.alloc(6000))]))).toBe(
      false,
    );
  });

  it('waits for more bytes as long as it cannot decide', () => {
    for (let length = 0; length < JAVA.length; length += 1)
      expect(takesNoStreams(JAVA.subarray(0, length))).toBe(undefined);
  });
});

describe('createAuthorityRepair()', () => {
  it.each([
    1, 2, 7, 1000,
  ])('writes hyphens for what no authority has, in pieces of %i bytes', (chunkBytes) => {
    const rest = frame(0, 1, 3, Buffer.from('/body/'));
    const bytes = Buffer.concat([request(callHeaders(PATH, '/A/B')), rest]);
    const wanted = Buffer.concat([request(callHeaders(REPAIRED, '/A/B')), rest]);
    expect(repaired(bytes, chunkBytes)).toEqual(wanted);
  });

  it.each([
    'localhost',
    'a.example:8443',
    '[::1]:80',
    '%2Frun%2Fw.sock',
    'sds_cluster',
  ])('leaves "%s" as it is', (authority) => {
    const bytes = request(callHeaders(authority, '/A/B'));
    expect(repaired(bytes)).toEqual(bytes);
  });

  it('finds it behind padding, a priority, a resized table and other fields', () => {
    const block = (authority: string) =>
      Buffer.concat([
        // Five bytes of padding; a priority.
        Buffer.from([5, 0, 0, 0, 0, 16]),
        // Table of 4096; `x: /y` never indexed; `user-agent` from the static table, its value in
        // Huffman code.
        Buffer.from([0x3f, 0xe1, 0x1f, 0x10]),
        headerString('x'),
        headerString('/y'),
        Buffer.from([0x0f, 0x2b, 0x82, 0xff, 0xff]),
        authorityField(authority),
        Buffer.from('/pad/'),
      ]);
    expect(repaired(request(block(PATH), 0x2c))).toEqual(request(block(REPAIRED), 0x2c));
  });

  it('changes no other field, no Huffman code, no body and no frame of another kind', () => {
    const huffman = Buffer.concat([Buffer.from([0x41, 0x82]), Buffer.from('//')]);
    for (const bytes of [
      request(Buffer.concat([Buffer.from([0x44]), headerString(PATH)])),
      request(huffman),
      Buffer.concat([JAVA, frame(0, 0, 3, authorityField(PATH))]),
      Buffer.concat([JAVA, frame(9, 0, 3, authorityField(PATH))]),
      // Longer than our limit for frames, so the library refuses it.
      request(Buffer.concat([authorityField(PATH), Buffer.alloc(20_000)])),
    ])
      expect(repaired(bytes)).toEqual(bytes);
  });

  it('passes on as many bytes as it received, for any bytes in any pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 50 }), (block, pieces) => {
        const bytes = Buffer.concat([request(Buffer.from(block), 0x2c), request(callHeaders('a', '/A'))]);
        expect(repaired(bytes, pieces).length).toBe(bytes.length);
      }),
    );
  });
});
