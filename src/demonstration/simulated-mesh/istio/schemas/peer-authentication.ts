import { z } from 'zod';
import { labels } from './check-spec.ts';

const mtls = z.strictObject({ mode: z.enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']) });

/**
 * `security.istio.io/v1 PeerAuthentication`. Simulated proxies take mTLS alone, whatever it is set
 * to.
 */
export const peerAuthenticationSpec = z.strictObject({
  selector: z.strictObject({ matchLabels: labels }).optional(),
  mtls: mtls.optional(),
  portLevelMtls: z.record(z.string().regex(/^[0-9]+$/), mtls).optional(),
});
