import {
  ClientHelloReader,
  MAX_CLIENT_HELLO_RECORDS,
  normalizeServerName,
  readClientHello,
} from '../../src/gateway/client-hello.ts';
import { must } from '../must.ts';

/** The verdict comes from the bytes alone: not from how they are cut into segments, nor from how the message is cut into records. */
export function fuzz(data: Uint8Array): void {
  const whole = readClientHello(data);
  const inSegments = firstVerdict(data, 1 + (data.at(-1) ?? 0));
  must(JSON.stringify(inSegments) === JSON.stringify(whole), 'segments make no difference');
  if (whole.kind !== 'hello') return;
  const { serverName } = whole;
  must(
    serverName === undefined || normalizeServerName(serverName) === serverName,
    'a name is in its one form',
  );
  const message = messageOf(data);
  for (const size of [1, 7, 1000]) {
    // More records than a client uses are refused, whatever is in them.
    if (message.length > size * MAX_CLIENT_HELLO_RECORDS) continue;
    const recut = readClientHello(inRecords(message, size));
    must(JSON.stringify(recut) === JSON.stringify(whole), `records of ${size} bytes make no difference`);
  }
}

/** What a reader says who gets the bytes in pieces and stops at the first verdict. */
function firstVerdict(data: Uint8Array, size: number): ReturnType<typeof readClientHello> {
  const reader = new ClientHelloReader();
  let verdict = reader.push(new Uint8Array());
  for (let start = 0; start < data.length && verdict.kind === 'need-more'; start += size)
    verdict = reader.push(data.subarray(start, start + size));
  return verdict;
}

function messageOf(data: Uint8Array): Buffer {
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset + 5 <= data.length; ) {
    const length = ((data[offset + 3] ?? 0) << 8) | (data[offset + 4] ?? 0);
    parts.push(data.subarray(offset + 5, offset + 5 + length));
    offset += 5 + length;
  }
  const all = Buffer.concat(parts);
  return all.subarray(0, 4 + all.readUIntBE(1, 3));
}

function inRecords(message: Buffer, size: number): Buffer {
  const records: Uint8Array[] = [];
  for (let start = 0; start < message.length; start += size) {
    const body = message.subarray(start, start + size);
    records.push(Buffer.from([22, 3, 1, body.length >> 8, body.length & 255]), body);
  }
  return Buffer.concat(records);
}
