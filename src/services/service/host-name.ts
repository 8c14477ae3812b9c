const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_CHARACTERS = 253;
/** A resolver reads a host whose last label is a number as an IPv4 address, also `127.1` and `0x7f.1`. */
const NUMBER = /^(?:\d+|0x[0-9a-f]*)$/;
/** The last labels of names that mean another host on every machine, network or cluster. */
const LOCAL = new Set(['local', 'localhost', 'localdomain', 'svc']);
/** The names of the services of a cluster (Kubernetes), and of a set of clusters (MCS API). */
const CLUSTER = ['.svc.cluster.local', '.clusterset.local'];

/** Whether a text is a DNS label in lower case. */
export function isDnsLabel(text: string): boolean {
  return LABEL.test(text);
}

/**
 * Whether a text is a host name of at least two labels: lower case, no `_`, at most 253 characters,
 * and not a number that resolvers read as an address. A name of one label is refused, because a
 * resolver completes it with its search list.
 */
export function isHostName(text: string): boolean {
  if (text.length > MAX_CHARACTERS) return false;
  const labels = text.split('.');
  return labels.length > 1 && labels.every(isDnsLabel) && !NUMBER.test(labels.at(-1) ?? '');
}

/** Whether a host name belongs to a host, a local network or a cluster, and not to the public DNS. */
export function isLocalName(host: string): boolean {
  return LOCAL.has(host.slice(host.lastIndexOf('.') + 1));
}

/** Whether a host name is one that clusters give to their own services. */
export function isClusterName(host: string): boolean {
  return CLUSTER.some((suffix) => `.${host}`.endsWith(suffix));
}
