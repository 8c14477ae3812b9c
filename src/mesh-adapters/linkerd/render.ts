import { z } from 'zod';
import { configMapsOf } from '../kubernetes/config-map.ts';
import type { ForeignObjectPlace } from '../kubernetes/foreign-objects.ts';
import { FOREIGN_TRUST_LABEL } from '../kubernetes/foreign-objects.ts';

/** The key of every ConfigMap with anchors, Linkerd's own and ours. */
export const ANCHORS_KEY = 'ca-bundle.crt';

const DATA = z.object({ [ANCHORS_KEY]: z.string() }).catch({ [ANCHORS_KEY]: '' });

/**
 * Our sources for trust-manager: one ConfigMap for each foreign trust domain, in the trust
 * namespace.
 */
export function sourcePlace(trustNamespace: string, namePrefix: string): ForeignObjectPlace {
  return {
    collection: configMapsOf(trustNamespace),
    namePrefix,
    render: (pem) => ({ apiVersion: 'v1', kind: 'ConfigMap', data: { [ANCHORS_KEY]: pem } }),
    pemOf: ({ data }) => DATA.parse(data)[ANCHORS_KEY],
  };
}

/** The line of YAML that an operator adds to the sources of the Bundle. */
export const BUNDLE_SOURCE = `{configMap: {selector: {matchLabels: {${FOREIGN_TRUST_LABEL}: "true"}}, key: ${ANCHORS_KEY}}}`;
