import type { ImportedService } from '../../services/index.ts';
import { textOf, textsOf } from '../contract/fields.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { MeshObject } from './fields.ts';
import type { HostFacts } from './service-facts.ts';

/**
 * Why an import cannot have its name next to what others have in the cluster, or undefined. Istio
 * adds the SPIFFE IDs of a ServiceEntry to a Service or a ServiceEntry of the same host, so a peer
 * would speak for it. A DestinationRule in the namespace of a client counts before ours, with other
 * identities or none. Codes: `host-taken`, `destination-rule-overrides`. Pure.
 */
export function hostFault(
  { name, namespaces }: Pick<ImportedService, 'name' | 'namespaces'>,
  { services, serviceEntries, destinationRules }: HostFacts,
  ourNamespace: string,
): ServiceFault | undefined {
  const service = services.find((each) => isNameOf(name, each));
  if (service) return taken(name, `the Service ${service.namespace}/${service.name}`);
  const entry = serviceEntries.find(({ spec }) => textsOf(spec['hosts']).includes(name));
  if (entry) return taken(name, `the ServiceEntry ${entry.namespace}/${entry.name}`);
  const rule = destinationRules.find(({ namespace, spec }) => {
    const host = textOf(spec['host']);
    if (namespace === ourNamespace) return host === name;
    return (namespaces.includes('*') || namespaces.includes(namespace)) && covers(host, name);
  });
  if (!rule) return undefined;
  return {
    code: 'destination-rule-overrides',
    message: `the DestinationRule ${rule.namespace}/${rule.name} is about ${name} too and counts before ours, so the identity of the server would not be checked: give it a narrower host`,
  };
}

function taken(name: string, holder: string): ServiceFault {
  return {
    code: 'host-taken',
    message: `${name} is the host of ${holder} already: import it by another name`,
  };
}

/** `web`, `web.shop`, `web.shop.svc` and `web.shop.svc.<domain of the cluster>` are one Service. */
function isNameOf(host: string, { name, namespace }: MeshObject): boolean {
  const within = `${name}.${namespace}.svc`;
  return [name, `${name}.${namespace}`, within].includes(host) || host.startsWith(`${within}.`);
}

function covers(host: string, name: string): boolean {
  return host === name || host === '*' || (host.startsWith('*.') && name.endsWith(host.slice(1)));
}
