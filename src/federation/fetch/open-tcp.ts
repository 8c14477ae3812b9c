import { connect, isIP, type Socket } from 'node:net';
import { describeError } from '../../platform/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import { type AddressKind, addressKind, redirectMayReach } from './address-kind.ts';
import { FetchError } from './errors.ts';
import type { FetchLimits } from './fetch-limits.ts';
import type { FetchTimer } from './fetch-timer.ts';
import { openTunnel } from './open-tunnel.ts';
import { isExempt, type OutgoingProxy, proxyAuthorization } from './outgoing-proxy.ts';
import type { Reach } from './reach.ts';
import { settleSocket } from './settle-socket.ts';

/** What opening a TCP connection takes. */
export interface OpenTcpRequest extends Pick<Reach, 'lookup' | 'guard'> {
  readonly url: URL;
  /** The kind of address that redirected here; absent for the URL that the operator configured. */
  readonly redirectedFrom?: AddressKind | undefined;
  /** Through which endpoints are reached; undefined: directly. */
  readonly proxy: OutgoingProxy | undefined;
  readonly limits: FetchLimits;
  readonly timer: FetchTimer;
}

/** The host of a URL as sockets want it: an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** A connection to an endpoint over which nothing has been sent yet. */
export interface OpenedTcp {
  readonly socket: Socket;
  /**
   * What kind of address the endpoint is at; behind a proxy a name counts as public, because only
   * the proxy knows its address.
   */
  readonly at: AddressKind;
}

/** RFC 6761 §6.3: the machine that resolves the name, which is the proxy. */
const LOCALHOST = /(?:^|\.)localhost\.?$/i;

/**
 * Connects to the host of `url`, at the first of its addresses that answers; the name lookup is
 * within the same limit. Never connects to an address that the URL may not lead to. The resolved
 * address is judged at the moment of connecting, so a name cannot change between check and use.
 * Through a proxy the same holds for addresses in the URL and for `localhost`; the proxy resolves
 * all other names. Throws `FetchError` `connect-failed`, `connect-timeout`, `address-forbidden`,
 * `redirect-refused`, the codes of `openTunnel`, `proxy-unreachable`, `proxy-credentials-unusable`,
 * or the signal's reason.
 */
export async function openTcp(request: OpenTcpRequest): Promise<OpenedTcp> {
  const { url, proxy } = request;
  if (proxy && !isExempt(proxy, hostOf(url))) return throughProxy(request, proxy);
  const { limits } = request;
  const socket = await connectTo(request, url, {
    addresses: () => addressesOf(request),
    late: () =>
      new FetchError('connect-timeout', `no connection to ${url.host} within ${limits.connectMs} ms`),
    failed: (cause) => noConnection(url, cause),
  });
  return { socket, at: addressKind(socket.remoteAddress ?? '') };
}

async function throughProxy(request: OpenTcpRequest, proxy: OutgoingProxy): Promise<OpenedTcp> {
  const { url, lookup, limits, timer } = request;
  const host = hostOf(url);
  const address = isIP(host) ? host : LOCALHOST.test(host) ? '127.0.0.1' : undefined;
  if (address !== undefined) admit(request, [address]);
  const authorization = await proxyAuthorization(proxy);
  const unreachable = (why: string, cause?: unknown) =>
    new FetchError('proxy-unreachable', `no connection to the proxy ${proxy.url.host}: ${why}`, { cause });
  const failed = (cause: unknown) => unreachable(whyOf(cause), cause);
  const proxyHost = hostOf(proxy.url);
  const socket = await connectTo(request, proxy.url, {
    // The operator names the proxy: no guard and no kind of address keeps us from it.
    addresses: async () => {
      try {
        return isIP(proxyHost) ? [proxyHost] : await lookup(proxyHost, timer.signal);
      } catch (error) {
        throw failed(error);
      }
    },
    late: () => unreachable(`not within ${limits.connectMs} ms`),
    failed,
  });
  await openTunnel(socket, { url, authorization, limits, timer });
  return { socket, at: address === undefined ? 'public' : addressKind(address) };
}

/** Connects to the host and port of a URL, at one of the addresses given. */
function connectTo(
  { limits, timer }: OpenTcpRequest,
  url: URL,
  how: {
    readonly addresses: () => Promise<readonly string[]>;
    readonly late: () => FetchError;
    readonly failed: (cause: Error) => FetchError;
  },
): Promise<Socket> {
  return timer.within(limits.connectMs, how.late, async () => {
    const addresses = await how.addresses();
    timer.signal.throwIfAborted();
    const socket = connect({
      host: hostOf(url),
      port: Number(url.port || (url.protocol === 'http:' ? 80 : 443)),
      noDelay: true,
      lookup: (_host, _options, callback) =>
        callback(
          null,
          addresses.map((address) => ({ address, family: isIP(address) })),
        ),
      autoSelectFamily: true,
      // Node's own 250 ms would give up on an address at the other end of the world.
      autoSelectFamilyAttemptTimeout: Math.max(10, Math.floor(limits.connectMs / 3)),
    });
    return settleSocket(socket, 'connect', timer.signal, how.failed);
  });
}

/** Where to connect to; never nowhere. */
async function addressesOf(request: OpenTcpRequest): Promise<readonly string[]> {
  const { url, lookup, timer } = request;
  const host = hostOf(url);
  if (isIP(host)) return admit(request, [host]);
  let found: readonly string[];
  try {
    found = await lookup(host, timer.signal);
  } catch (error) {
    throw noConnection(url, error);
  }
  return admit(request, found);
}

function noConnection({ host }: URL, cause: unknown): FetchError {
  return new FetchError('connect-failed', `no connection to ${host}: ${whyOf(cause)}`, { cause });
}

function whyOf(cause: unknown): string {
  const { code, message } = describeError(cause);
  return cause instanceof CodedError || code === undefined ? message : code;
}

/** The addresses that may be asked; throws where there is none. */
function admit({ url, redirectedFrom, guard }: OpenTcpRequest, found: readonly string[]): readonly string[] {
  const addresses = found.filter((address) => guard?.(address) === undefined);
  const [forbidden] = found;
  if (addresses.length === 0 && forbidden !== undefined)
    throw new FetchError(
      'address-forbidden',
      `${url.host} is at ${forbidden}, and ${guard?.(forbidden) ?? 'it is forbidden'}`,
    );
  const named = isIP(hostOf(url)) === 0;
  const allowed = addresses.filter((address) => {
    const kind = addressKind(address);
    if (redirectedFrom !== undefined) return redirectMayReach(redirectedFrom, kind);
    // An operator who wrote the address itself wants that address. A name belongs to the operator
    // of its zone.
    return !named || kind !== 'special';
  });
  if (allowed.length > 0) return allowed;
  const where = `${url.host} is at ${addresses.join(', ').slice(0, 200) || 'no address'}`;
  if (redirectedFrom === undefined)
    throw new FetchError('connect-failed', `${where}, where no bundle endpoint can be`);
  throw new FetchError(
    'redirect-refused',
    `${where}, and a redirect from a ${redirectedFrom} address does not lead there`,
  );
}
