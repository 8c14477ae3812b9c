/** SNI passthrough: passes TLS connections on by server name, and decrypts nothing. */
export { readClientHello, type ClientHello, type ClientHelloRefusal } from './client-hello.ts';
export {
  Gateway,
  GatewayError,
  type GatewayErrorCode,
  type GatewayLimits,
  type GatewayOptions,
} from './gateway.ts';
export { createPooledRelay, pipeRelay, type Relay } from './relay.ts';
export { parseRouteTable, RouteTableError, type RouteTable, type RouteTarget } from './route-table.ts';
