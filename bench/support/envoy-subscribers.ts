import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { grpcSocketCluster } from '../../src/envoy/base/building-blocks.ts';
import { type BenchChild, startServer } from './process.ts';

/** How many subscriptions one Envoy holds here; more subscribers are more processes. */
const STREAMS_EACH = 100;
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

/**
 * Real Envoys that hold `streams` SDS streams for the secret `ALL` between them, on one connection for each process. Envoy keeps one
 * stream for each source it is configured with, and sources that differ in their metadata are different ones: so one process
 * takes in, checks and acknowledges as often as that many proxies would.
 */
export function startSubscribers(
  binary: string,
  where: { readonly folder: string; readonly socket: string },
  streams: number,
): BenchChild[] {
  const processes = Math.ceil(streams / STREAMS_EACH);
  return Array.from({ length: processes }, (_, index) => {
    const file = join(where.folder, `envoy-${index}.json`);
    const count = Math.min(STREAMS_EACH, streams - index * STREAMS_EACH);
    writeFileSync(file, JSON.stringify(bootstrap(where.socket, index, count)));
    const quiet = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'critical'];
    return startServer(binary, ['-c', file, ...quiet]);
  });
}

function bootstrap(socket: string, index: number, count: number): object {
  return {
    node: { id: `subscriber-${index}`, cluster: 'bench' },
    static_resources: {
      clusters: [
        grpcSocketCluster('sds', socket),
        ...Array.from({ length: count }, (_, stream) => subscriber(`stream-${stream}`)),
      ],
    },
  };
}

/** A cluster without endpoints, which wants the trust all the same. */
function subscriber(name: string): object {
  const service = {
    envoy_grpc: { cluster_name: 'sds' },
    initial_metadata: [{ key: 'x-federate-bench', value: name }],
  };
  const source = { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [service] };
  const trust = { name: 'ALL', sds_config: { resource_api_version: 'V3', api_config_source: source } };
  return {
    name,
    type: 'STATIC',
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: { '@type': TLS, common_tls_context: { validation_context_sds_secret_config: trust } },
    },
  };
}
