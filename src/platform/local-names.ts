import { stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hasCode } from '../errors/index.ts';
import { readRegularText } from './regular-file.ts';

/** What this machine's own files say about host names; no name server is asked. */
export interface LocalNames {
  /** The addresses of a lower-case name in the hosts file, in the file's order. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** Search domains for a name that no name server knows unchanged, in order. */
  readonly searchDomains: readonly string[];
  /**
   * A name with at least this many dots is asked unchanged first, and with the search domains after
   * that.
   */
  readonly minDots: number;
}

/**
 * As many search domains as glibc reads at most, and the bounds that resolv.conf(5) gives for
 * `ndots`.
 */
const MAX_SEARCH_DOMAINS = 6;
const MAX_MIN_DOTS = 15;

/** The names of a hosts file, hosts(5). Unreadable lines are skipped. */
export function parseHostsFile(text: string): ReadonlyMap<string, readonly string[]> {
  const addresses = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names.map((each) => each.toLowerCase())) {
      const known = addresses.get(name) ?? [];
      if (!known.includes(address)) addresses.set(name, [...known, address]);
    }
  }
  return addresses;
}

/** How a resolv.conf(5) completes short names: the last `search` or `domain` line counts. */
export function parseSearchList(text: string): Pick<LocalNames, 'searchDomains' | 'minDots'> {
  let searchDomains: readonly string[] = [];
  let minDots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...words] = (line.split(/[#;]/)[0] ?? '').trim().split(/\s+/);
    if (keyword === 'search' || keyword === 'domain')
      searchDomains = words
        .map((word) => word.toLowerCase().replace(/\.$/, ''))
        .filter((word) => word !== '')
        .slice(0, MAX_SEARCH_DOMAINS);
    if (keyword !== 'options') continue;
    for (const word of words) {
      const dots = /^ndots:(\d{1,3})$/.exec(word)?.[1];
      if (dots !== undefined) minDots = Math.min(Number(dots), MAX_MIN_DOTS);
    }
  }
  return { searchDomains, minDots };
}

/**
 * Provides the content of the machine's hosts file and resolv.conf. A file is read again only when
 * it has changed. A missing file counts as empty.
 */
export function createLocalNames(
  paths: { readonly hosts: string; readonly resolvConf: string } = {
    hosts: '/etc/hosts',
    resolvConf: '/etc/resolv.conf',
  },
): () => Promise<LocalNames> {
  const hosts = parsedFile(paths.hosts, parseHostsFile);
  const search = parsedFile(paths.resolvConf, parseSearchList);
  return async () => {
    const [addresses, rest] = await Promise.all([hosts(), search()]);
    return { addresses, ...rest };
  };
}

function parsedFile<Value>(path: string, parse: (text: string) => Value): () => Promise<Value> {
  let known: { readonly mark: string; readonly value: Value } | undefined;
  return async () => {
    const mark = await markOf(path);
    if (known?.mark !== mark)
      known = { mark, value: parse(mark === NO_FILE ? '' : await readRegularText(path, MAX_NAMES_BYTES)) };
    return known.value;
  };
}

const NO_FILE = 'none';
/** Block lists in hosts files have some megabytes. */
const MAX_NAMES_BYTES = 16 * 1024 * 1024;

async function markOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs } = await stat(path);
    return [dev, ino, size, mtimeMs].join(' ');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return NO_FILE;
    throw error;
  }
}
