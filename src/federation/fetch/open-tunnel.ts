import type { Socket } from 'node:net';
import { FetchError } from './errors.ts';
import type { FetchLimits } from './fetch-limits.ts';
import type { FetchTimer } from './fetch-timer.ts';

/** What opening a tunnel takes. */
export interface TunnelRequest {
  /** Where the tunnel is to end. */
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly limits: FetchLimits;
  readonly timer: FetchTimer;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?$/;

/**
 * Asks the proxy at the other end of `socket` for a tunnel to the host of `url` (CONNECT, RFC 9110
 * §9.3.6). Resolves when the next byte is the endpoint's. Not one byte of the proxy's answer is
 * left for TLS to read. Rejects with `FetchError` `proxy-refused`, `proxy-timeout`,
 * `proxy-answer-invalid`, or the signal's reason; then the socket is closed.
 */
export async function openTunnel(socket: Socket, request: TunnelRequest): Promise<void> {
  const { url, authorization, limits, timer } = request;
  const late = () =>
    new FetchError('proxy-timeout', `the proxy did not connect to ${url.host} within ${limits.connectMs} ms`);
  try {
    await timer.within(limits.connectMs, late, async () => {
      socket.write(connectRequest(url, authorization));
      const head = await readHead(socket, request);
      judgeStatus(head, request);
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function connectRequest(url: URL, authorization: string | undefined): string {
  const target = `${url.hostname}:${url.port || 443}`;
  const lines = [
    `CONNECT ${target} HTTP/1.1`,
    `Host: ${target}`,
    'User-Agent: federate',
    ...(authorization === undefined ? [] : [`Proxy-Authorization: ${authorization}`]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/**
 * The first line of the final answer, once its head is whole; interim answers (1xx) are passed
 * over.
 */
function readHead(socket: Socket, { url, limits, timer }: TunnelRequest): Promise<string> {
  const { signal } = timer;
  const invalid = (why: string, cause?: unknown) =>
    new FetchError('proxy-answer-invalid', `the proxy gave no usable answer for ${url.host}: ${why}`, {
      cause,
    });
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    let total = 0;
    const settle = (act: () => void) => {
      socket.off('readable', onReadable);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
      socket.off('error', onError);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const refuse = (error: unknown) => settle(() => reject(error));
    const onReadable = () => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
        total += chunk.length;
        if (total > limits.maxHeaderBytes)
          return refuse(invalid(`it is longer than ${limits.maxHeaderBytes} bytes`));
        bytes = Buffer.concat([bytes, chunk]);
      }
      for (let end = bytes.indexOf(HEAD_END); end !== -1; end = bytes.indexOf(HEAD_END)) {
        const [line = ''] = bytes.subarray(0, end).toString('latin1').split('\r\n');
        bytes = bytes.subarray(end + HEAD_END.length);
        const status = STATUS_LINE.exec(line)?.[1];
        if (status === undefined) return refuse(invalid('it is not HTTP'));
        if (status.startsWith('1')) continue;
        // The endpoint speaks only after we do: what comes now is the proxy's.
        if (status.startsWith('2') && bytes.length > 0)
          return refuse(invalid('bytes follow before the TLS handshake has begun'));
        return settle(() => resolve(line));
      }
      // A line that cannot be a status line is refused before the limit is reached.
      if (bytes.length >= 5 && bytes.toString('latin1', 0, 5) !== 'HTTP/') refuse(invalid('it is not HTTP'));
    };
    const onEnd = () => refuse(invalid('it closed the connection'));
    const onError = (cause: Error) => refuse(invalid(cause.message, cause));
    const onAbort = () => refuse(signal.reason);
    socket.on('readable', onReadable);
    socket.once('end', onEnd);
    socket.once('close', onEnd);
    socket.on('error', onError);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else if (socket.destroyed) onEnd();
  });
}

function judgeStatus(line: string, { url, authorization }: TunnelRequest): void {
  const status = Number(STATUS_LINE.exec(line)?.[1]);
  if (status >= 200 && status < 300) return;
  const credentials =
    status !== 407
      ? ''
      : authorization === undefined
        ? ': it wants credentials, and federation.proxy.credentials_file names none'
        : ': it does not accept the credentials of federation.proxy.credentials_file';
  throw new FetchError(
    'proxy-refused',
    `the proxy refused to connect to ${url.host} with status ${status}${credentials}`,
  );
}
