import { isIP } from 'node:net';
import { z } from 'zod';
import {
  dnsLabel,
  exportTo,
  host,
  hostWithoutWildcard,
  labels,
  portNumber,
  some,
  subjectAltName,
} from './check-spec.ts';

const port = z.strictObject({
  number: portNumber,
  name: dnsLabel,
  protocol: z.enum(['HTTP', 'HTTPS', 'GRPC', 'HTTP2', 'TCP', 'TLS'], 'must be a protocol in upper case'),
  targetPort: portNumber.optional(),
});

const endpoint = z.strictObject({
  address: z.string().min(1),
  ports: z.record(dnsLabel, portNumber).optional(),
  labels: labels.optional(),
  network: z.string().optional(),
  locality: z.string().optional(),
  weight: z.number().int().positive().optional(),
  serviceAccount: z.string().optional(),
});

/** `networking.istio.io/v1 ServiceEntry`. */
export const serviceEntrySpec = z
  .strictObject({
    hosts: some(host),
    addresses: z
      .array(z.string().refine((text) => isIP(text.split('/')[0] ?? '') !== 0, 'must be an IP or a CIDR'))
      .optional(),
    ports: some(port),
    location: z.enum(['MESH_EXTERNAL', 'MESH_INTERNAL']).default('MESH_EXTERNAL'),
    resolution: z.enum(['STATIC', 'DNS', 'DNS_ROUND_ROBIN']),
    /** None while the owner withdraws the service: open connections go on. */
    endpoints: z.array(endpoint).default([]),
    exportTo: exportTo.optional(),
    subjectAltNames: z.array(subjectAltName).optional(),
  })
  .superRefine(({ ports, resolution, endpoints }, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    for (const key of ['name', 'number'] as const)
      if (new Set(ports.map((each) => each[key])).size < ports.length)
        refuse(['ports'], `must not have a ${key} twice`);
    for (const [index, { address, ports: own = {} }] of endpoints.entries()) {
      if (resolution === 'STATIC' && isIP(address) === 0)
        refuse(['endpoints', index, 'address'], 'must be an IP with the resolution STATIC');
      if (isIP(address) === 0 && !hostWithoutWildcard.safeParse(address).success)
        refuse(['endpoints', index, 'address'], 'must be an IP or a host name');
      const unknown = Object.keys(own).find((name) => !ports.some((each) => each.name === name));
      if (unknown !== undefined)
        refuse(['endpoints', index, 'ports'], `must name ports of the entry; ${unknown} is not one`);
    }
  });

export type ServiceEntrySpec = z.output<typeof serviceEntrySpec>;
