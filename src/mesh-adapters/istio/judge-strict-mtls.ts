import { fieldsOf, textOf } from '../contract/fields.ts';
import type { MeshObject } from './fields.ts';

/** Where the workload is that a PeerAuthentication can be about. */
export interface WorkloadPlace {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Whether every PeerAuthentication that counts for this port of a workload asks for mTLS. The most
 * specific scope counts: workload, namespace, mesh. Without any, Istio takes plain text too. Where
 * several policies have one scope, Istio takes the oldest; here all of them must be STRICT. Pure.
 */
export function isStrict(
  peerAuthentications: readonly MeshObject[],
  { namespace, labels }: WorkloadPlace,
  port: number,
  rootNamespace: string,
): boolean {
  const selectorOf = ({ spec }: MeshObject) =>
    Object.entries(fieldsOf(fieldsOf(spec['selector'])['matchLabels']));
  const within = peerAuthentications.filter((each) => each.namespace === namespace);
  const about = within.filter((each) => {
    const selector = selectorOf(each);
    return selector.length > 0 && selector.every(([key, value]) => labels[key] === value);
  });
  const scopes = [
    about.map(({ spec }) => textOf(fieldsOf(fieldsOf(spec['portLevelMtls'])[String(port)])['mode'])),
    about.map(modeOf),
    within.filter((each) => selectorOf(each).length === 0).map(modeOf),
    peerAuthentications
      .filter((each) => each.namespace === rootNamespace && selectorOf(each).length === 0)
      .map(modeOf),
  ];
  for (const modes of scopes) {
    const set = modes.filter((mode) => mode !== '' && mode !== 'UNSET');
    if (set.length > 0) return set.every((mode) => mode === 'STRICT');
  }
  return false;
}

function modeOf({ spec }: MeshObject): string {
  return textOf(fieldsOf(spec['mtls'])['mode']);
}
