import { z } from 'zod';
import { duration, evenIfWrong, listenAddress, path, processFields, spiffeIdField } from './fields.ts';
import { workloadApiFields } from './svid-config.ts';
import { sign, signatures } from './sidecar/signatures.ts';
import { timeouts } from './sidecar/timeouts.ts';
import { healthCheck, rateLimit } from './sidecar/workload-protection.ts';
import { limits, outlierDetection, retries } from './sidecar/upstream-protection.ts';

const inbound = z.strictObject({
  listen: listenAddress().describe('Where mTLS connections arrive, `host:port`.'),
  forward_to: listenAddress().describe('The workload, `host:port`, spoken to in plain HTTP.'),
  allow: z
    .union([z.literal('mesh'), z.array(spiffeIdField())], 'expected "mesh" or a list of SPIFFE IDs')
    .default([])
    .describe(
      'The SPIFFE IDs that may call; or `mesh`: the rules of the mesh decide about each request. Default: none.',
    ),
  policy: z
    .strictObject({
      file: path().describe('The file that an agent writes for OPA (`services.policy_file`).'),
      service: z.string().min(1).describe('The ID of the service in that file.'),
      port: z.string().min(1).describe('The name of the port in that file.'),
    })
    .optional()
    .describe(
      'Rules from a file decide about each request, next to those of the mesh with `allow: mesh`. It stands in for ext_authz with OPA.',
    ),
  timeouts: timeouts.optional().describe('Limits of time for requests to the workload.'),
  max_requests: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe(
      'Requests to the workload at the same time. Above it: 503 `max-requests-reached`. Default: no limit.',
    ),
  rate_limit: rateLimit.optional().describe('How often each caller may call, by its SPIFFE ID.'),
  signatures: signatures
    .optional()
    .describe('Requires that each request is signed (RFC 9421), and never came before. Default: off.'),
  health_check: healthCheck
    .optional()
    .describe(
      'Checks the workload with GET. While it is unhealthy, callers get 503 `workload-unhealthy` and `/readyz` is 503.',
    ),
});

const serverName = () => z.string().min(1).describe('The SNI that is sent; a gateway routes by it.');
const expected = () =>
  z.array(spiffeIdField()).min(1).describe('The accepted SPIFFE IDs; the other side must prove one of them.');

/** The most endpoints that one upstream of a config file has. */
const MAX_ENDPOINTS = 64;

const endpoint = z.strictObject({
  to: listenAddress().describe('The other sidecar, or a gateway, `host:port`.'),
  server_name: serverName(),
  expect: expected(),
  priority: z
    .int()
    .min(0)
    .max(128)
    .default(0)
    .describe('0 is used first; a higher number only while no endpoint of a lower one can be used.'),
});

const outbound = z
  .strictObject({
    listen: listenAddress().describe('Where the workload calls in plain HTTP; on loopback.'),
    name: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe('The called service, for logs and metrics. Default: the first `server_name`.'),
    service: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe(
        'The called service by its host name in the mesh, which tells its endpoints over `sds_socket`; or `to`:',
      ),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('With `service`: which of its ports, where it has several.'),
    to: listenAddress()
      .optional()
      .describe('The target of the call: the other sidecar, or a gateway; or `endpoints`:'),
    server_name: serverName().optional(),
    expect: expected().optional(),
    endpoints: z
      .array(endpoint)
      .min(1)
      .max(MAX_ENDPOINTS)
      .optional()
      .describe('Several targets of the call, instead of `to`, `server_name` and `expect`.'),
    timeouts: timeouts.optional().describe('Limits of time for requests to this upstream.'),
    sign: sign.optional().describe('Signs each request (RFC 9421). Default: off.'),
    limits: limits.optional().describe('The most that this upstream gets at the same time.'),
    outlier_detection: outlierDetection
      .optional()
      .describe('Leaves endpoints out for a time that fail again and again.'),
    retries: retries
      .optional()
      .describe(
        'Tries again on another connection and, where there is one, on another endpoint: any request whose first byte was not sent, later only an idempotent one without a body.',
      ),
  })
  .superRefine((given, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (given.service === undefined && given.port !== undefined) refuse('port', 'goes with "service"');
    if (given.service !== undefined) {
      for (const key of ['to', 'server_name', 'expect', 'endpoints'] as const)
        if (given[key] !== undefined) refuse(key, 'does not go with "service": the mesh tells it');
      return;
    }
    for (const key of ['to', 'server_name', 'expect'] as const) {
      if (given.endpoints !== undefined && given[key] !== undefined)
        refuse(key, 'does not go with "endpoints": each of them has its own');
      if (given.endpoints === undefined && given[key] === undefined)
        refuse(key, 'is missing: say where the call goes, or list "endpoints"');
    }
  }, evenIfWrong)
  .transform(({ to, server_name, expect, endpoints = [], ...rest }) => {
    const only = to && server_name !== undefined && expect && { to, server_name, expect, priority: 0 };
    return { ...rest, endpoints: only ? [only] : endpoints };
  });

/** The config of `federate sidecar`. */
export const sidecarConfigSchema = z
  .strictObject({
    sds_socket: path()
      .optional()
      .describe('Unix socket of the SDS server that gives the SVID and the trust; or `workload_api`:'),
    certificate_resource: z
      .string()
      .default('default')
      .describe('With `sds_socket`: name of the SDS secret with the SVID.'),
    trust_resource: z
      .string()
      .default('ROOTCA')
      .describe('With `sds_socket`: name of the SDS secret with the trust.'),
    ...workloadApiFields,
    workload_api: workloadApiFields.workload_api.optional(),
    inbound: inbound.optional().describe('Calls to the workload.'),
    outbound: z
      .array(outbound)
      .default([])
      .describe('Calls from the workload, one listener per destination.'),
    access_log: z
      .boolean()
      .default(false)
      .describe('Writes one line for each request to the log, with the identity of the other side.'),
    trace_context: z
      .boolean()
      .default(false)
      .describe('Continues the trace of each request, or starts one (W3C Trace Context).'),
    ...processFields,
    drain_timeout: duration().prefault('5s').describe('How long open requests may go on after SIGTERM.'),
  })
  .superRefine((config, context) => {
    const {
      sds_socket: sds,
      workload_api: api,
      spiffe_id: id,
      hint,
      inbound: calls,
      outbound: targets,
    } = config;
    const refuse = (key: string | (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path: [key].flat(), message });
    if (calls?.policy !== undefined && Array.isArray(calls.allow) && calls.allow.length > 0)
      refuse(['inbound', 'allow'], 'does not go with "policy": leave it out, or write "mesh"');
    if (sds === undefined) {
      const needs = 'needs "sds_socket": the mesh tells it there';
      if (calls?.allow === 'mesh') refuse(['inbound', 'allow'], needs);
      for (const [index, { service }] of (targets ?? []).entries())
        if (service !== undefined) refuse(['outbound', index, 'service'], needs);
    }
    if (sds === undefined && api === undefined)
      refuse('sds_socket', 'is missing: the SVID and the trust come from it, or from "workload_api"');
    if (sds === undefined) return;
    if (api !== undefined)
      refuse('workload_api', 'does not go with "sds_socket": one of the two gives the SVID');
    if (id !== undefined) refuse('spiffe_id', 'goes with "workload_api"');
    if (hint !== undefined) refuse('hint', 'goes with "workload_api"');
  }, evenIfWrong);

export type SidecarConfig = z.output<typeof sidecarConfigSchema>;
