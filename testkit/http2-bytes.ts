const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** One HTTP/2 frame. */
export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What a client begins with: the preface and its settings, each an identifier and a value. */
export function firstFlight(...settings: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  for (const [index, [identifier, value]] of settings.entries()) {
    payload.writeUInt16BE(identifier, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return Buffer.concat([PREFACE, frame(4, 0, 0, payload)]);
}

/** A plain string of a header block. */
export function headerString(text: string): Buffer {
  if (text.length > 126) throw new RangeError('a short string');
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
}

/** `:authority` as a literal that goes into the table of headers, which is how gRPC for Java writes it. */
export function authorityField(authority: string): Buffer {
  return Buffer.concat([Buffer.from([0x41]), headerString(authority)]);
}

/** The header block of a gRPC call over plain HTTP/2. */
export function callHeaders(
  authority: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const literal = (name: string, value: string) =>
    Buffer.concat([Buffer.from([0x40]), headerString(name), headerString(value)]);
  return Buffer.concat([
    // `:method: POST` and `:scheme: http` of the static table; `:path` as a literal.
    Buffer.from([0x83, 0x86]),
    authorityField(authority),
    Buffer.from([0x44]),
    headerString(path),
    ...Object.entries({ 'content-type': 'application/grpc', te: 'trailers', ...headers }).map(
      ([name, value]) => literal(name, value),
    ),
  ]);
}
