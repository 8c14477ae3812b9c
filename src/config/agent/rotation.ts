import { z } from 'zod';
import { duration } from '../fields.ts';

/** `rotation` of an agent. */
export const rotation = z.strictObject({
  lead: duration()
    .optional()
    .describe(
      'How long a new root is published before peers that do not report what they hold count as having it; without it three refresh hints. Istio reading `spiffeBundleUrl` polls every 30 minutes, whatever the hint.',
    ),
  leaf_lifetime: duration()
    .optional()
    .describe(
      'The longest lifetime of an SVID of the mesh. A root must stay published for this long after it stops signing. Without it 72h for Consul, 24h for the others.',
    ),
  settle: duration()
    .prefault('10s')
    .describe(
      'How long the mesh of a peer may take to bring a root to its proxies, where it cannot report that.',
    ),
  ca_lifetime: duration()
    .optional()
    .describe(
      'The lifetime of a root of the mesh, where its CA rotates by itself: checked against the hint before anything starts.',
    ),
});
