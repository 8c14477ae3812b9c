import type { RouteTable } from '../../gateway/index.ts';
import type { GatewayConfig } from '../../config/index.ts';
import { addressCluster, BUFFER_BYTES, overloadManager, socketAddress } from '../base/building-blocks.ts';

const TYPES = 'type.googleapis.com/envoy.extensions.filters';

/**
 * The bootstrap of an Envoy that does the work of `federate gateway` with the same config and
 * table. It reads the server name of a ClientHello and passes the bytes on, without any key. A name
 * that is not in the table leads nowhere. Connections end after an hour, so that none outlives a
 * removed root for long.
 */
export function sniGatewayBootstrap(config: GatewayConfig, routes: RouteTable): object {
  const table = [...routes.entries()];
  return {
    node: { id: 'federate-gateway', cluster: 'federate' },
    static_resources: {
      listeners: [
        {
          name: 'gateway',
          address: socketAddress(config.listen),
          per_connection_buffer_limit_bytes: BUFFER_BYTES,
          listener_filters: [
            {
              name: 'envoy.filters.listener.tls_inspector',
              typed_config: { '@type': `${TYPES}.listener.tls_inspector.v3.TlsInspector` },
            },
          ],
          listener_filters_timeout: seconds(config.client_hello_timeout),
          filter_chains: table.map(([serverName]) => ({
            name: serverName,
            filter_chain_match: { server_names: [serverName], transport_protocol: 'tls' },
            filters: [
              {
                name: 'envoy.filters.network.tcp_proxy',
                typed_config: {
                  '@type': `${TYPES}.network.tcp_proxy.v3.TcpProxy`,
                  stat_prefix: serverName,
                  cluster: serverName,
                  idle_timeout: seconds(config.idle_timeout),
                  max_downstream_connection_duration: '3600s',
                },
              },
            ],
          })),
        },
      ],
      clusters: table.map(([serverName, address]) =>
        addressCluster(serverName, address, { connect_timeout: seconds(config.connect_timeout) }),
      ),
    },
    overload_manager: overloadManager(),
  };
}

function seconds(ms: number): string {
  return `${ms / 1000}s`;
}
