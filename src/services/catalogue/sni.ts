import { isClusterName, isHostName, isLocalName } from '../service/host-name.ts';
import type { Service, ServicePort } from '../service/service.ts';

/**
 * The SNI by which the owner's gateway routes to a port: `<id>.<suffix>` of a service with one port,
 * else `<port>.<id>.<suffix>`. Undefined where that is not a legal host name, because the suffix is
 * not one or because it is too long.
 */
export function sniOf({ id, ports }: Service, { name }: ServicePort, suffix: string): string | undefined {
  const sni = ports.length === 1 ? `${id}.${suffix}` : `${name}.${id}.${suffix}`;
  return isHostName(sni) && !isClusterName(sni) ? sni : undefined;
}

/**
 * Whether a peer's mesh may ask our gateway to route this SNI too: a legal host name that belongs to
 * no local network and no cluster.
 */
export function isRoutableSni(sni: string): boolean {
  return isHostName(sni) && !isClusterName(sni) && !isLocalName(sni);
}
