import {
  type AnyMessage,
  HTTP_MANAGER_TYPE_URL,
  httpManagerMessage,
  LISTENER_TYPE_URL,
  listenerMessage,
  ROUTER_TYPE_URL,
} from '../grpc/index.ts';
import type { ListenAddress } from '../platform/index.ts';
import { clusterName } from './discovered-service.ts';

/** One port of a service that is called by its host name. */
export interface NamedPort {
  readonly host: string;
  readonly port: number;
}

/** A request whose first byte was not sent is tried again, also at the next endpoint. */
const UNSENT = { retry_on: 'connect-failure,refused-stream', num_retries: { value: 4 } };

export const OUTBOUND_LISTENER = 'federate-outbound';

/**
 * A listener in Envoy's form that takes the workload's plain HTTP, and sends each request to the
 * cluster of the service that its `Host` names. With several ports the header names one; without a
 * port it means the first of the host.
 */
export function encodeOutboundListener(listen: ListenAddress, ports: readonly NamedPort[]): AnyMessage {
  const seen = new Set<string>();
  const virtualHosts = ports.map((each) => {
    const isFirst = !seen.has(each.host);
    seen.add(each.host);
    const name = `${each.host}:${each.port}`;
    return {
      name,
      domains: isFirst ? [name, each.host] : [name],
      routes: [{ match: { prefix: '/' }, route: { cluster: clusterName(each), retry_policy: UNSENT } }],
    };
  });
  const manager = httpManagerMessage.encode({
    stat_prefix: OUTBOUND_LISTENER,
    route_config: { name: OUTBOUND_LISTENER, virtual_hosts: virtualHosts },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { type_url: ROUTER_TYPE_URL, value: Buffer.alloc(0) },
      },
    ],
  });
  const value = listenerMessage.encode({
    name: OUTBOUND_LISTENER,
    address: { socket_address: { address: listen.host, port_value: listen.port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: { type_url: HTTP_MANAGER_TYPE_URL, value: manager },
          },
        ],
      },
    ],
  });
  return { type_url: LISTENER_TYPE_URL, value };
}
