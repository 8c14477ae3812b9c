import { isIPv4, isIPv6 } from 'node:net';
import { WorkloadApiError } from './errors.ts';

/** The environment variable in which a workload finds its Workload API (Workload Endpoint §4). */
export const ENDPOINT_VARIABLE = 'SPIFFE_ENDPOINT_SOCKET';

/** The address of a Workload API: the URI as it was given, and the same as a gRPC target. */
export interface EndpointAddress {
  readonly uri: string;
  readonly target: string;
}

/** A `unix` URI has no authority, so a third slash follows the two. */
const UNIX = /^unix:(?:\/\/(?=\/)|(?!\/\/))(\/[^?#]+)$/i;
const TCP = /^tcp:\/\/(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/i;
/** The longest path of a Unix socket on Linux, without its final NUL. */
const MAX_PATH_BYTES = 107;

/**
 * Reads the address of a Workload API, `unix:///path/to.sock` or `tcp://127.0.0.1:8000` (Workload
 * Endpoint §4, WLAPI-07). It is an absolute path, or an IP address with a port, and nothing else.
 * Throws `WorkloadApiError` `endpoint-address-invalid`.
 */
export function parseEndpointAddress(uri: string): EndpointAddress {
  const unix = UNIX.exec(uri)?.[1];
  if (unix !== undefined) return { uri, target: `unix:${readPath(unix, uri)}` };
  const [, v6, v4, digits] = TCP.exec(uri) ?? [];
  const port = Number(digits);
  if (port > 0 && port <= 65_535) {
    if (v4 !== undefined && isIPv4(v4)) return { uri, target: `ipv4:${v4}:${port}` };
    if (v6 !== undefined && isIPv6(v6)) return { uri, target: `ipv6:[${v6}]:${port}` };
  }
  throw invalid(
    uri,
    'it is "unix:///path/to.sock" with an absolute path, or "tcp://127.0.0.1:8000" with an IP address and a port, and nothing else',
  );
}

/**
 * Resolves the setting of the config: an address, or the name of the variable that holds it. Throws
 * `WorkloadApiError` `endpoint-address-missing`, `endpoint-address-invalid`.
 */
export function resolveEndpointAddress(
  configured: EndpointAddress | typeof ENDPOINT_VARIABLE,
  environment: Readonly<Record<string, string | undefined>>,
): EndpointAddress {
  if (configured !== ENDPOINT_VARIABLE) return configured;
  const value = environment[ENDPOINT_VARIABLE];
  if (value !== undefined && value !== '') return parseEndpointAddress(value);
  throw new WorkloadApiError(
    'endpoint-address-missing',
    `the environment variable ${ENDPOINT_VARIABLE}, which names the Workload API, is not set`,
  );
}

function readPath(encoded: string, uri: string): string {
  let path: string;
  try {
    path = decodeURIComponent(encoded);
  } catch (cause) {
    throw invalid(uri, 'its path is not well percent-encoded', cause);
  }
  if (path.includes('\0')) throw invalid(uri, 'a path cannot contain NUL');
  if (path.endsWith('/')) throw invalid(uri, 'its path names a folder, not a socket');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw invalid(uri, `the path of a Unix socket has at most ${MAX_PATH_BYTES} bytes`);
  return path;
}

function invalid(uri: string, why: string, cause?: unknown): WorkloadApiError {
  return new WorkloadApiError(
    'endpoint-address-invalid',
    `${JSON.stringify(uri)} is not an address of a Workload API: ${why}`,
    { cause },
  );
}
