import { z } from 'zod';
import { exportTo, host, hostWithoutWildcard, portNumber, some, subjectAltName } from './check-spec.ts';

const tls = z.strictObject({
  mode: z.enum(['ISTIO_MUTUAL'], 'must be ISTIO_MUTUAL, the only mode that is simulated'),
  sni: hostWithoutWildcard.optional(),
  subjectAltNames: z.array(subjectAltName).optional(),
});

const loadBalancer = z.strictObject({
  simple: z.string().optional(),
  localityLbSetting: z
    .strictObject({
      enabled: z.boolean().optional(),
      failoverPriority: some(z.string().regex(/^[^=]+=[^=]+$/, 'must be "label=value"')).optional(),
    })
    .optional(),
});

/** Of these only the order of failover has an effect on the simulated proxies. */
const tuning = {
  loadBalancer: loadBalancer.optional(),
  connectionPool: z.record(z.string(), z.unknown()).optional(),
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
