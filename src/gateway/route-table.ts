import { CodedError } from '../spiffe/index.ts';
import { normalizeServerName } from './client-hello.ts';

export type RouteTableErrorCode = 'route-invalid' | 'route-duplicate' | 'routes-not-a-table';

/** A route table that cannot be used. */
export class RouteTableError extends CodedError<RouteTableErrorCode> {}

/** The target of a connection. */
export interface RouteTarget {
  readonly host: string;
  readonly port: number;
}

/** Maps server names to targets. There is no default route: an unlisted name has no target. */
export interface RouteTable {
  /** The target for a server name in lower case: the exact name, else the longest `*.suffix`. */
  lookup(serverName: string): { readonly route: string; readonly target: RouteTarget } | undefined;
  readonly size: number;
  /** Every route as it was written, exact names first. */
  entries(): readonly (readonly [route: string, target: RouteTarget])[];
}

/**
 * A table from an object of names (`info.example` or `*.example`) and addresses (`host:port`). A
 * `*.suffix` stands for one or more labels before it, never for the suffix itself. Throws
 * `RouteTableError` `routes-not-a-table`, `route-invalid`, `route-duplicate`.
 */
export function parseRouteTable(value: unknown): RouteTable {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RouteTableError('routes-not-a-table', 'routes are a table from server name to "host:port"');
  }
  const exact = new Map<string, RouteTarget>();
  const suffixes = new Map<string, RouteTarget>();
  for (const [name, address] of Object.entries(value)) {
    const wildcard = name.startsWith('*.');
    const key = normalizeServerName(wildcard ? name.slice(2) : name);
    if (key === undefined)
      throw new RouteTableError(
        'route-invalid',
        `a route is a host name or "*." and a host name, not ${JSON.stringify(name)}`,
      );
    const table = wildcard ? suffixes : exact;
    if (table.has(key))
      throw new RouteTableError('route-duplicate', `the route ${JSON.stringify(name)} is listed twice`);
    table.set(key, parseTarget(name, address));
  }
  return {
    size: exact.size + suffixes.size,
    entries: () => [...exact, ...[...suffixes].map(([suffix, target]) => [`*.${suffix}`, target] as const)],
    lookup: (serverName) => {
      const target = exact.get(serverName);
      if (target) return { route: serverName, target };
      for (let dot = serverName.indexOf('.'); dot !== -1; dot = serverName.indexOf('.', dot + 1)) {
        const suffix = serverName.slice(dot + 1);
        const found = suffixes.get(suffix);
        if (found) return { route: `*.${suffix}`, target: found };
      }
      return undefined;
    },
  };
}

function parseTarget(name: string, address: unknown): RouteTarget {
  const match =
    typeof address === 'string'
      ? /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(address)
      : null;
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new RouteTableError(
      'route-invalid',
      `the route ${JSON.stringify(name)} goes to "host:port", not to ${JSON.stringify(address)}`,
    );
  }
  return { host, port };
}
