/** SNI passthrough: passes TLS connections on by server name, and decrypts nothing. */
export { readClientHello, type ClientHello } from './client-hello.ts';
export { Gateway, type GatewayLimits } from './gateway.ts';
export { createPooledRelay, pipeRelay } from './relay.ts';
export { parseRouteTable, RouteTableError, type RouteTable } from './route-table.ts';
