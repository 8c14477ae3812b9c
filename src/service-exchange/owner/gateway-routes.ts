import { isIPv6 } from 'node:net';
import { type EndpointAddress, type OwnService, sniOf } from '../../services/index.ts';

/** One line of the gateway's table. */
export interface GatewayRoute {
  readonly sni: string;
  readonly target: EndpointAddress;
}

/**
 * The routes of an exported service: one for each port with a target, and those SNIs that the meshes
 * of importers compute for these ports (`<service>/<port>`).
 */
export function routesOfExport(
  service: OwnService,
  {
    sniSuffix,
    wanted,
  }: { readonly sniSuffix: string; readonly wanted: ReadonlyMap<string, readonly string[]> },
): readonly GatewayRoute[] {
  return service.ports.flatMap((port) => {
    const { target } = port;
    const own = sniOf(service, port, sniSuffix);
    if (target === undefined || own === undefined) return [];
    const others = wanted.get(`${service.id}/${port.name}`) ?? [];
    return [own, ...others].map((sni) => ({ sni, target }));
  });
}

/**
 * The table as text that `federate gateway` reads: YAML, by SNI. Of two routes with one SNI the first
 * stays, so those of our own services come first.
 */
export function routesText(routes: readonly GatewayRoute[]): string {
  const table = new Map<string, string>();
  for (const { sni, target } of routes) if (!table.has(sni)) table.set(sni, addressText(target));
  const lines = [...table].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const head = '# Written by the agent from its exports and imports. It replaces every other change.\n';
  return lines.length === 0
    ? `${head}{}\n`
    : `${head}${lines.map(([sni, address]) => `${JSON.stringify(sni)}: ${JSON.stringify(address)}\n`).join('')}`;
}

function addressText({ host, port }: EndpointAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
