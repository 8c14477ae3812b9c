import { z } from 'zod';
import { exportTo, host, hostWithoutWildcard, portNumber, some, subjectAltName } from './check-spec.ts';

const tls = z.strictObject({
  mode: z.enum(['ISTIO_MUTUAL'], 'must be ISTIO_MUTUAL, the only mode that is simulated'),
  sni: hostWithoutWildcard.optional(),
  subjectAltNames: z.array(subjectAltName).optional(),
});

/** Accepted, and without an effect on the simulated proxies. */
const tuning = {
  connectionPool: z.record(z.string(), z.unknown()).optional(),
  loadBalancer: z.record(z.string(), z.unknown()).optional(),
  outlierDetection: z.record(z.string(), z.unknown()).optional(),
};

/** `networking.istio.io/v1 DestinationRule`. */
export const destinationRuleSpec = z.strictObject({
  host,
  exportTo: exportTo.optional(),
  trafficPolicy: z
    .strictObject({
      tls: tls.optional(),
      ...tuning,
      portLevelSettings: some(
        z.strictObject({ port: z.strictObject({ number: portNumber }), tls: tls.optional(), ...tuning }),
      ).optional(),
    })
    .optional(),
});

export type DestinationRuleSpec = z.output<typeof destinationRuleSpec>;
