import { isMapping } from '../../../objects/index.ts';
import { configMapContent } from './config-map-content.ts';
import type { ObjectContent } from './kubernetes-object.ts';
import { KubernetesError } from './kubernetes-status.ts';
import { anySpec, checkSpec, type SpecSchema } from './schemas/check-spec.ts';
import { authorizationPolicySpec } from './schemas/authorization-policy.ts';
import { destinationRuleSpec } from './schemas/destination-rule.ts';
import { peerAuthenticationSpec } from './schemas/peer-authentication.ts';
import { serviceEntrySpec } from './schemas/service-entry.ts';

/** A type of objects with a namespace, as the API server serves it. */
export interface ResourceType {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly shortNames?: readonly string[];
  /**
   * What is kept of an object that a client sent. Throws `KubernetesError` `BadRequest`, `Invalid`
   * where the API server, or istiod's webhook, refuses it.
   */
  readonly content: (object: Readonly<Record<string, unknown>>, name: string) => ObjectContent;
}

export const CONFIG_MAPS: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  shortNames: ['cm'],
  content: configMapContent,
};

export const SERVICES = core('services', 'Service', ['spec', 'status']);
export const PODS = core('pods', 'Pod', ['spec', 'status']);
export const SERVICE_ACCOUNTS = core('serviceaccounts', 'ServiceAccount', []);

/** Served, and without an effect: no workload of the simulation is outside of its pods. */
const WORKLOAD_ENTRIES = ofIstio('networking', 'workloadentries', 'WorkloadEntry', anySpec);
export const SERVICE_ENTRIES = ofIstio('networking', 'serviceentries', 'ServiceEntry', serviceEntrySpec);
export const DESTINATION_RULES = ofIstio(
  'networking',
  'destinationrules',
  'DestinationRule',
  destinationRuleSpec,
);
export const AUTHORIZATION_POLICIES = ofIstio(
  'security',
  'authorizationpolicies',
  'AuthorizationPolicy',
  authorizationPolicySpec,
);
export const PEER_AUTHENTICATIONS = ofIstio(
  'security',
  'peerauthentications',
  'PeerAuthentication',
  peerAuthenticationSpec,
);

export const RESOURCE_TYPES: readonly ResourceType[] = [
  CONFIG_MAPS,
  SERVICES,
  PODS,
  SERVICE_ACCOUNTS,
  SERVICE_ENTRIES,
  WORKLOAD_ENTRIES,
  DESTINATION_RULES,
  AUTHORIZATION_POLICIES,
  PEER_AUTHENTICATIONS,
];

/** The name of a type as the API server's sentences have it, such as `serviceentries.networking.istio.io`. */
export function qualifiedName({ group, plural }: ResourceType): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/** The simulation makes these objects itself and does not judge them. */
function core(plural: string, kind: string, members: readonly string[]): ResourceType {
  return {
    group: '',
    version: 'v1',
    plural,
    kind,
    content: (object) =>
      Object.fromEntries(
        members.flatMap((member) => {
          const value = object[member];
          if (value === undefined) return [];
          if (isMapping(value)) return [[member, value]];
          throw new KubernetesError('BadRequest', `${member} is not an object`);
        }),
      ),
  };
}

function ofIstio(group: string, plural: string, kind: string, schema: SpecSchema): ResourceType {
  return {
    group: `${group}.istio.io`,
    version: 'v1',
    plural,
    kind,
    content: (object, name) => ({ spec: checkSpec(schema, { kind, name, spec: object['spec'] }) }),
  };
}
