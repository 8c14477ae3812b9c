import { z } from 'zod';
import { path } from '../fields.ts';
import { federationGateway } from './federation-gateway.ts';
import { namePrefix } from './name-prefix.ts';

/** `mesh` of kind `consul`. */
export const consulMesh = z.strictObject({
  kind: z.literal('consul'),
  address: z.url({ protocol: /^https?$/ }).describe('Base URL of the HTTP API of a Consul server.'),
  token_file: path()
    .optional()
    .describe(
      'File with an ACL token that has `peering = "write"`, and for services the rights in docs/meshes/consul.md.',
    ),
  ca_file: path()
    .optional()
    .describe(
      "PEM file with what signs the API's certificate, with an `https` address; without it the system's store.",
    ),
  peer_name_prefix: namePrefix('Peerings whose name begins with this belong to the agent.'),
  access: z
    .enum(['intentions', 'external'])
    .default('intentions')
    .describe(
      'Who decides about callers of exported services. `intentions`: service-intentions, and nothing is exported where they allow by default. `external`: another filter, such as ext_authz with the Rego of `federate access compile --for opa`.',
    ),
  federation_gateway: federationGateway
    .optional()
    .describe(
      'Lets foreign identities past intentions: each enters as a Consul service of its own, through an Envoy that `federate export-config --for consul-gateway` configures. Absent: only the passthrough.',
    ),
});
