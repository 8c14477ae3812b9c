import { z } from 'zod';
import { duration, listenAddress, path, processFields, spiffeIdField } from './fields.ts';

const inbound = z.strictObject({
  listen: listenAddress().describe('Where mTLS connections come in, `host:port`.'),
  forward_to: listenAddress().describe('The workload, `host:port`, spoken to in plain HTTP.'),
  allow: z.array(spiffeIdField()).default([]).describe('The SPIFFE IDs that may call. Default: none.'),
});

const outbound = z.strictObject({
  listen: listenAddress().describe('Where the workload calls in plain HTTP; on loopback.'),
  to: listenAddress().describe('Where the call goes: the other sidecar, or a gateway.'),
  server_name: z.string().min(1).describe('The SNI that is sent; a gateway routes by it.'),
  expect: z.array(spiffeIdField()).min(1).describe('The SPIFFE IDs of which the other side must prove one.'),
});

/** The config of `federate sidecar`. */
export const sidecarConfigSchema = z.strictObject({
  sds_socket: path().describe('Unix socket of the SDS server that gives the SVID and the trust.'),
  certificate_resource: z.string().default('default').describe('Name of the SDS secret with the SVID.'),
  trust_resource: z.string().default('ROOTCA').describe('Name of the SDS secret with the trust.'),
  inbound: inbound.optional().describe('Calls to the workload.'),
  outbound: z.array(outbound).default([]).describe('Calls from the workload, one listener per destination.'),
  ...processFields,
  drain_timeout: duration().prefault('5s').describe('How long open requests may go on after SIGTERM.'),
});

export type SidecarConfig = z.output<typeof sidecarConfigSchema>;
