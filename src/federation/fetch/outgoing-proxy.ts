import { isIP } from 'node:net';
import { describeError, readSecretText } from '../../platform/index.ts';
import { FetchError } from './errors.ts';

/** The HTTP proxy through which endpoints are reached (`federation.proxy`). */
export interface OutgoingProxy {
  /** `http://host:port`, without credentials. */
  readonly url: URL;
  /** File with `user:password`, mode 0600; read for every connection, so that it can change. */
  readonly credentialsFile?: string | undefined;
  /** Hosts that are connected to directly. */
  readonly exempt: readonly string[];
}

const MAX_CREDENTIALS_BYTES = 4096;
/** A user name without a colon, and a password; no control characters (RFC 7617 §2). */
// eslint-disable-next-line no-control-regex
const CREDENTIALS = /^[^:\u0000-\u001f\u007f]+:[^\u0000-\u001f\u007f]*$/;
/** A host name, or a suffix of host names that begins with a dot. */
const NAME = /^\.?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/;

/**
 * Reads one entry of `no_proxy`: an IP address, a host name, or `.example.org` for every name under
 * `example.org`. Undefined where the text is none of them.
 */
export function parseExemptHost(text: string): string | undefined {
  const host = canonicalHost(text.replace(/^\[(.*)\]$/, '$1'));
  if (isIP(host) !== 0) return host;
  return NAME.test(host) && !host.includes('..') ? host : undefined;
}

/** Whether a host, an IPv6 address without brackets, is connected to without the proxy. */
export function isExempt({ exempt }: OutgoingProxy, host: string): boolean {
  const name = canonicalHost(host);
  return exempt.some((entry) =>
    entry.startsWith('.') && isIP(name) === 0 ? name.endsWith(entry) : name === entry,
  );
}

/**
 * The value of `Proxy-Authorization` (RFC 7617); undefined without a file. Rejects with
 * `FetchError` `proxy-credentials-unusable`.
 */
export async function proxyAuthorization({ credentialsFile }: OutgoingProxy): Promise<string | undefined> {
  if (credentialsFile === undefined) return undefined;
  let text: string;
  try {
    text = (await readSecretText(credentialsFile, MAX_CREDENTIALS_BYTES)).replace(/\r?\n$/, '');
  } catch (cause) {
    throw unusable(credentialsFile, describeError(cause).message, cause);
  }
  if (!CREDENTIALS.test(text)) throw unusable(credentialsFile, 'it is not one line "user:password"');
  return `Basic ${Buffer.from(text, 'utf8').toString('base64')}`;
}

function unusable(file: string, why: string, cause?: unknown): FetchError {
  return new FetchError(
    'proxy-credentials-unusable',
    `reading the credentials for the proxy from ${JSON.stringify(file)} failed: ${why}`,
    { cause },
  );
}

/** Lower case, without the dot at the end; an IPv6 address in its shortest form, as in a URL. */
function canonicalHost(text: string): string {
  const host = text.toLowerCase().replace(/\.$/, '');
  if (isIP(host) !== 6 || host.includes('%')) return host;
  return new URL(`http://[${host}]/`).hostname.slice(1, -1);
}
