import { defined } from '../../objects/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { type Finding, inOrder, noted, wrong } from '../contract/finding.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { collectionOf } from '../kubernetes/kubernetes-object.ts';
import { fieldsOf, listOf, textOf } from '../contract/fields.ts';
import { type MeshObject, meshObjectOf } from './fields.ts';

/** One control plane: a deployment of istiod. */
export interface Istiod {
  readonly name: string;
  /** `default` where no revision is named. */
  readonly revision: string;
  readonly env: ReadonlyMap<string, string>;
}

/**
 * What the agent read of a cluster. A part that could not be read is undefined here and has a
 * finding in `findings`.
 */
export interface IstioFacts {
  readonly configMaps: readonly MeshObject[] | undefined;
  readonly istiods: readonly Istiod[] | undefined;
  readonly namespaces: readonly MeshObject[] | undefined;
  readonly peerAuthentications: readonly MeshObject[] | undefined;
  readonly authorizationPolicies: readonly MeshObject[] | undefined;
  readonly destinationRules: readonly MeshObject[] | undefined;
  readonly serviceEntries: readonly MeshObject[] | undefined;
  readonly findings: readonly Finding[];
}

/**
 * Reads everything that an examination needs and writes nothing. A part that cannot be read becomes
 * a finding, not an error.
 */
export async function readIstioFacts(
  client: KubernetesClient,
  systemNamespace: string,
  signal: AbortSignal,
): Promise<IstioFacts> {
  const findings: Finding[] = [];
  const list = async (what: string, api: string, namespace?: string): Promise<MeshObject[]> => {
    const place = defined({ namespace });
    const collection = collectionOf({ kind: what, api, plural: what, ...place });
    return (await client.listObjects(collection, {}, signal)).items.map(meshObjectOf);
  };
  const attempt = async (what: string, api: string, look: () => Promise<MeshObject[]>) => {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      findings.push(unreadable(what, api, error));
      return undefined;
    }
  };
  const read = (what: string, api: string, namespace?: string) =>
    attempt(what, api, () => list(what, api, namespace));
  /** Kinds of Istio, which before 1.22 serves most of them as beta only. */
  const readIstio = (what: string, group: string) =>
    attempt(what, `apis/${group}/v1`, async () => {
      try {
        return await list(what, `apis/${group}/v1`);
      } catch (error) {
        if (!(error instanceof MeshAdapterError) || error.code !== 'mesh-not-found') throw error;
        return await list(what, `apis/${group}/v1beta1`);
      }
    });
  const configMaps = await read('configmaps', 'api/v1', systemNamespace);
  // Report a server that does not answer once, not once for each request.
  const [first] = findings;
  if (first?.code === 'mesh-unreachable' || first?.code === 'credentials-unusable')
    return { ...NOTHING, findings };
  const [
    deployments,
    namespaces,
    peerAuthentications,
    authorizationPolicies,
    destinationRules,
    serviceEntries,
  ] = await Promise.all([
    read('deployments', 'apis/apps/v1', systemNamespace),
    read('namespaces', 'api/v1'),
    readIstio('peerauthentications', 'security.istio.io'),
    readIstio('authorizationpolicies', 'security.istio.io'),
    readIstio('destinationrules', 'networking.istio.io'),
    readIstio('serviceentries', 'networking.istio.io'),
  ]);
  return {
    configMaps,
    istiods: deployments?.flatMap(istiodOf),
    namespaces,
    peerAuthentications,
    authorizationPolicies,
    destinationRules,
    serviceEntries,
    findings: inOrder(findings),
  };
}

const NOTHING: Omit<IstioFacts, 'findings'> = {
  configMaps: undefined,
  istiods: undefined,
  namespaces: undefined,
  peerAuthentications: undefined,
  authorizationPolicies: undefined,
  destinationRules: undefined,
  serviceEntries: undefined,
};

function unreadable(what: string, api: string, { code, message }: MeshAdapterError): Finding {
  const text = `${what} could not be read: ${message}`;
  const group = /^apis\/([^/]+)\//.exec(api)?.[1] ?? '';
  switch (code) {
    case 'mesh-forbidden':
      return wrong(
        code,
        what,
        text,
        `allow it to read them for this examination: a role with apiGroups ["${group}"], resources ["${what}"], verbs ["list"]`,
      );
    case 'mesh-not-found':
      return noted(
        'kind-not-served',
        what,
        `the API server does not serve ${what} (${api}), so they were not looked at`,
      );
    case 'mesh-unauthenticated':
    case 'credentials-unusable':
      return wrong(code, 'Kubernetes API', text, 'check the kubeconfig, its context and its credentials');
    case 'mesh-unreachable':
      return wrong(code, 'Kubernetes API', text, 'check the server of the kubeconfig and the way to it');
    default:
      return wrong(code, what, text, 'try again; where it stays so, see the log of the API server');
  }
}

function istiodOf(deployment: MeshObject): Istiod[] {
  const { labels, name, spec } = deployment;
  if (labels['app'] !== 'istiod' && !/^istiod(-|$)/.test(name)) return [];
  const { template } = spec;
  const { containers } = fieldsOf(fieldsOf(template)['spec']);
  const env = listOf(containers)
    .filter((container) => textOf(container['name']) === 'discovery')
    .flatMap((container) => listOf(container['env']))
    .map((each): [string, string] => [textOf(each['name']), textOf(each['value'])]);
  return [{ name, revision: labels['istio.io/rev'] ?? 'default', env: new Map(env) }];
}
