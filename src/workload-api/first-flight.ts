/** The first bytes of an HTTP/2 client, before any answer (RFC 9113 §3.4). */
export const CLIENT_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const FRAME_HEADER_BYTES = 9;
const SETTINGS_FRAME = 4;
const SETTING_BYTES = 6;
const MAX_CONCURRENT_STREAMS = 3;
/**
 * The most bytes of settings to wait for. No client has that many settings, so a longer claimed
 * length is not waited for.
 */
const MAX_SETTINGS_BYTES = 100 * SETTING_BYTES;

/**
 * Whether the first bytes of an HTTP/2 client forbid all streams from the server
 * (`SETTINGS_MAX_CONCURRENT_STREAMS` of 0). gRPC's Java and C-core clients do, and some of these
 * put the path of a Unix socket where a host belongs. Envoy, grpc-go and grpc-js do neither.
 * Undefined as long as more bytes are needed. False for bytes that are not HTTP/2.
 */
export function takesNoStreams(bytes: Buffer): boolean | undefined {
  const known = Math.min(bytes.length, CLIENT_PREFACE.length);
  if (!bytes.subarray(0, known).equals(CLIENT_PREFACE.subarray(0, known))) return false;
  const settings = bytes.subarray(CLIENT_PREFACE.length);
  if (settings.length < FRAME_HEADER_BYTES) return undefined;
  const length = settings.readUIntBE(0, 3);
  if (settings[3] !== SETTINGS_FRAME || length > MAX_SETTINGS_BYTES) return false;
  const payload = settings.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length);
  if (payload.length < length) return undefined;
  for (let at = 0; at + SETTING_BYTES <= payload.length; at += SETTING_BYTES) {
    if (payload.readUInt16BE(at) === MAX_CONCURRENT_STREAMS && payload.readUInt32BE(at + 2) === 0)
      return true;
  }
  return false;
}
