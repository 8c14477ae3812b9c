import { createHash, timingSafeEqual } from 'node:crypto';
import { KubernetesError } from './kubernetes-status.ts';
import {
  AUTHORIZATION_POLICIES,
  CONFIG_MAPS,
  DESTINATION_RULES,
  qualifiedName,
  type ResourceType,
  SERVICE_ENTRIES,
} from './resource-types.ts';

/** The caller, as `system:serviceaccount:…` or a user name, and its rights. */
export interface Account {
  readonly name: string;
  readonly token: string;
  may(verb: Verb, target: Target): boolean;
}

/** What a request is about: one object, those of a namespace, or all of a type. */
export interface Target {
  readonly resource: ResourceType;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

/** The rights of a role. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** The account a bearer token belongs to. Throws `KubernetesError` `Unauthorized`. */
export function authenticate(accounts: readonly Account[], header: string | undefined): Account {
  const token = /^Bearer (\S+)$/i.exec(header ?? '')?.[1];
  const account =
    token === undefined ? undefined : accounts.find((each) => equalInConstantTime(each.token, token));
  if (account) return account;
  throw new KubernetesError('Unauthorized', 'Unauthorized');
}

/** Throws `KubernetesError` `Forbidden` with the sentence of the real API server. */
export function authorize(account: Account, verb: Verb, target: Target): void {
  if (account.may(verb, target)) return;
  const { resource, namespace, name } = target;
  throw new KubernetesError(
    'Forbidden',
    `${qualifiedName(resource)}${name === undefined ? '' : ` ${JSON.stringify(name)}`} is forbidden: User ${JSON.stringify(account.name)} cannot ${verb} resource ${JSON.stringify(resource.plural)} in API group ${JSON.stringify(resource.group)} ${
      namespace === undefined ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
    }`,
  );
}

/** May do everything. */
export function adminAccount(token: string): Account {
  return { name: 'kubernetes-admin', token, may: () => true };
}

/**
 * The rights of an agent's role: read what is served, change the one mesh ConfigMap, and write the
 * objects of Istio in which imports and access rules are kept.
 */
export function agentAccount(
  token: string,
  mesh: { readonly namespace: string; readonly name: string },
): Account {
  return {
    name: `system:serviceaccount:${mesh.namespace}:federate-agent`,
    token,
    may: (verb, { resource, namespace, name }) =>
      verb === 'get' ||
      verb === 'list' ||
      verb === 'watch' ||
      AGENT_WRITES.has(resource) ||
      (resource === CONFIG_MAPS &&
        (verb === 'update' || verb === 'patch') &&
        namespace === mesh.namespace &&
        name === mesh.name),
  };
}

const AGENT_WRITES: ReadonlySet<ResourceType> = new Set([
  SERVICE_ENTRIES,
  DESTINATION_RULES,
  AUTHORIZATION_POLICIES,
]);

function equalInConstantTime(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
