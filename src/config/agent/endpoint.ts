import { z } from 'zod';
import { duration, endpointUrlField, listenAddress, path } from '../fields.ts';
import { svidSource } from '../svid-config.ts';

const endpointCommon = {
  listen: listenAddress().describe('Where the bundle endpoint listens, `host:port`.'),
  url: endpointUrlField().describe('The URL at which peers reach it; `https`, no user name (FED-08).'),
  path: z
    .string()
    .regex(/^\/[A-Za-z0-9._~/-]*$/, 'a path begins with "/" and holds only letters, digits and ._~/-')
    .default('/')
    .describe('A path that serves the bundle besides `/`.'),
  refresh_hint: duration()
    .refine((ms) => ms >= 1000 && ms % 1000 === 0, 'a refresh hint is at least one whole second')
    .prefault('5m')
    .describe('How often peers should poll again (`spiffe_refresh_hint`); whole seconds.'),
  max_connections: z
    .int()
    .min(1)
    .default(10_000)
    .describe('Connections held at once; further ones are closed.'),
  max_connections_per_address: z.int().min(1).default(1000).describe('The same, per remote address.'),
  max_waiting: z
    .int()
    .min(0)
    .default(2000)
    .describe(
      'Clients held until the bundle changes (`Prefer: wait`), one on each connection; further ones are answered at once. A quarter of the places is kept for peers that prove who they are.',
    ),
  carry_signed_bundles: z
    .boolean()
    .default(false)
    .describe(
      'Whether signed bundles of peers are served to every client at `/federate/v1/signed-bundle/<trust domain>`. It shows with whom this agent federates.',
    ),
  max_waiting_per_address: z
    .int()
    .min(0)
    .default(16)
    .describe(
      'The same, of one remote address (IPv6: of one /64; a /48 has four times as many), for clients that do not prove which peer they are.',
    ),
};

/** `endpoint` of an agent. */
export const endpoint = z.discriminatedUnion('profile', [
  z.strictObject({
    profile: z.literal('https_spiffe').describe('Authenticated by an X509-SVID of this trust domain.'),
    ...endpointCommon,
    svid: svidSource,
  }),
  z.strictObject({
    profile: z.literal('https_web').describe('Authenticated by a Web PKI certificate for the host of `url`.'),
    ...endpointCommon,
    certificate_file: path().describe('PEM file with the chain, leaf first. Re-read when it changes.'),
    key_file: path().describe('PEM file with the private key.'),
    ca_file: path()
      .optional()
      .describe(
        'PEM file with the CA above that certificate, where it is not one of the public Web PKI; an invitation sends it to the peer. Read at the start.',
      ),
  }),
]);
