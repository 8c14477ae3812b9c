import { z } from 'zod';
import { endpointAddressField, path, spiffeIdField } from './fields.ts';

const svidFromSds = z
  .strictObject({
    sds_socket: path().describe('Unix socket of an Envoy SDS server that issues this agent its X509-SVID.'),
    resource: z.string().min(1).default('default').describe('Name of the SDS secret that holds the SVID.'),
  })
  .describe('The SVID from an SDS server, as sidecars get theirs.');

/** The socket of a SPIFFE Workload API, and the choice among several SVIDs. */
export const workloadApiFields = {
  workload_api: endpointAddressField().describe(
    'The SPIFFE Workload API, of a SPIRE agent for instance: `unix:///run/spire/agent/api.sock`, or `tcp://127.0.0.1:8000`; `SPIFFE_ENDPOINT_SOCKET` takes it from that environment variable.',
  ),
  spiffe_id: spiffeIdField()
    .optional()
    .describe(
      'Selects one of several SVIDs by its ID; without it and `hint` the first, which is the default one.',
    ),
  hint: z.string().min(1).optional().describe('Selects one of several SVIDs by its hint.'),
};

const svidFromWorkloadApi = z
  .strictObject(workloadApiFields)
  .describe(
    'The SVID from a SPIFFE Workload API, which renews it. When the API withdraws it, the agent has none.',
  );

const svidFromFiles = z
  .strictObject({
    certificate_file: path().describe(
      'PEM file: the SVID, leaf first, then its intermediates. Re-read when it changes.',
    ),
    key_file: path().describe('PEM file: the private key (PKCS#8 or SEC1), readable by the agent only.'),
  })
  .describe('The SVID from files that something else renews.');

/** Where an agent has its X509-SVID from. */
export const svidSource = z.union([svidFromSds, svidFromWorkloadApi, svidFromFiles], {
  error:
    'an SVID comes either from "workload_api", or from "sds_socket", or from "certificate_file" and "key_file"',
});

export type SvidConfig = z.output<typeof svidSource>;
