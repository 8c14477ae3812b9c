import { z } from 'zod';
import { duration, listenAddress, path, processFields } from './fields.ts';

/** The config of `federate gateway`. */
export const gatewayConfigSchema = z.strictObject({
  listen: listenAddress().describe('Where TLS connections arrive, `host:port`.'),
  routes_file: path().describe(
    'YAML file with the table from server name to address (`info.b.example: 10.0.0.7:8443`, `"*.b.example": …`). Re-read when it changes; a bad one is reported and the old table stays. Until an agent has written it (`services.routes_file`), nothing is routed.',
  ),
  ...processFields,
  max_connections: z
    .int()
    .min(1)
    .default(10_000)
    .describe('Connections held at once; further ones are closed.'),
  max_connections_per_address: z.int().min(1).default(1000).describe('The same, per remote address.'),
  client_hello_timeout: duration().prefault('5s').describe('Longest wait for a whole ClientHello.'),
  connect_timeout: duration()
    .prefault('5s')
    .describe('Longest wait for the connection to the address of a route.'),
  idle_timeout: duration().prefault('10m').describe('A connection without a byte for this long is closed.'),
  drain_timeout: duration().prefault('10s').describe('How long open connections may go on after SIGTERM.'),
});

export type GatewayConfig = z.output<typeof gatewayConfigSchema>;
