import { promises as dns } from 'node:dns';
import { createLocalNames, type LocalNames } from '../../platform/index.ts';

/**
 * The addresses of a host name, IPv4 or IPv6, in the order in which they are tried; never none.
 * Rejects with the resolver's error, which has a `code`, and soon after the signal aborts.
 */
export type HostLookup = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/**
 * A name with more addresses than this is tried at so many: an answer must not become a list of
 * places to scan.
 */
const MAX_ADDRESSES = 8;

/** Two tries of 0.7 s and 1.4 s: both are over before the time that a connection has by default. */
const QUERY = { timeout: 700, tries: 2 } as const;

/** RFC 6761 §6.3: these names are this machine, whatever a name server answers. */
const LOOPBACK: readonly string[] = ['127.0.0.1', '::1'];

/** Answers that mean "not under this name", after which the next candidate is tried. */
const NO_SUCH_NAME: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EREFUSED']);

/**
 * Looks names up as the machine would (hosts file, then its name servers with its search domains),
 * but never through `getaddrinfo`. That call holds one of the few threads of the process until the
 * last name server has timed out. Two peers with silent name servers would then block the lookups
 * of all other peers (invariant 7). Here every lookup has a resolver of its own, which ends with
 * the poll.
 */
export function createHostLookup(
  options: {
    /** `address:port` of the name servers; default those of the machine. */
    readonly servers?: readonly string[];
    readonly localNames?: () => Promise<LocalNames>;
  } = {},
): HostLookup {
  const { servers, localNames = createLocalNames() } = options;
  return async (host, signal) => {
    const name = host.toLowerCase();
    const local = await localNames();
    const known = local.addresses.get(name.replace(/\.$/, ''));
    if (known) return known.slice(0, MAX_ADDRESSES);
    if (/(^|\.)localhost\.?$/.test(name)) return LOOPBACK;
    signal.throwIfAborted();
    const resolver = new dns.Resolver(QUERY);
    if (servers) resolver.setServers(servers);
    const cancel = () => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return await firstAnswer(candidates(name, local), (candidate) => ask(resolver, candidate));
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}

/** The full names a name may stand for, in the order of resolv.conf(5). */
function candidates(name: string, { searchDomains, minDots }: LocalNames): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const completed = searchDomains.map((domain) => `${name}.${domain}`);
  return name.split('.').length > minDots ? [name, ...completed] : [...completed, name];
}

async function firstAnswer(
  names: readonly string[],
  answer: (name: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  let failure: unknown;
  for (const name of names) {
    try {
      return await answer(name);
    } catch (error) {
      if (!NO_SUCH_NAME.has(codeOf(error))) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** Both families at once; one that fails does no harm where the other has an answer. */
async function ask(resolver: dns.Resolver, name: string): Promise<readonly string[]> {
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const addresses = [v4, v6].flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
  if (addresses.length > 0) return addresses.slice(0, MAX_ADDRESSES);
  const failures: unknown[] = [v4, v6].flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  throw failures.find((failure) => !NO_SUCH_NAME.has(codeOf(failure))) ?? failures[0];
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
