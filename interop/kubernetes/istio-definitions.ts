import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import type { Cluster, Definition } from './cluster.ts';

/** The file with Istio's own definitions (`manifests/charts/base/files/crd-all.gen.yaml`). */
const VARIABLE = 'FEDERATE_ISTIO_DEFINITIONS';
const KINDS = [
  ['networking.istio.io', 'ServiceEntry', 'serviceentries'],
  ['networking.istio.io', 'DestinationRule', 'destinationrules'],
  ['networking.istio.io', 'WorkloadEntry', 'workloadentries'],
  ['security.istio.io', 'AuthorizationPolicy', 'authorizationpolicies'],
  ['security.istio.io', 'PeerAuthentication', 'peerauthentications'],
] as const;

/**
 * Makes the cluster serve the kinds of Istio: with all of Istio's definitions where the variable
 * names them, so that the API server judges every field, else the five that services need, without
 * a judgement.
 */
export async function defineIstio(cluster: Cluster): Promise<'definitions of Istio' | 'stand-ins'> {
  const path = process.env[VARIABLE];
  if (path === undefined) {
    for (const [group, kind, plural] of KINDS)
      await cluster.serve({
        group,
        kind,
        plural,
        version: 'v1',
        scope: 'Namespaced',
        subresources: { status: {} },
      });
    return 'stand-ins';
  }
  for (const document of parseAllDocuments(readFileSync(path, 'utf8'))) {
    const definition = document.toJS() as Definition | null;
    if (definition?.metadata.name.endsWith('.istio.io')) await cluster.define(definition);
  }
  return 'definitions of Istio';
}
