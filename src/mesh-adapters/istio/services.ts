import type { ImportedService, OwnService } from '../../services/index.ts';
import { isTrustDomain } from '../../spiffe/index.ts';
import type { Clock, Random } from '../../platform/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { fieldsOf, textOf } from '../contract/fields.ts';
import { judgeImports, type ServiceFault } from '../contract/judge-imports.ts';
import type { MeshServices, ServiceReport, WantedAccess, WantedExport } from '../contract/mesh-services.ts';
import { ownedNameOf } from '../contract/owned-name.ts';
import { accessSubject, exportSubject, importSubject, serviceReport } from '../contract/service-report.ts';
import type { ConfigMapName } from '../kubernetes/config-map.ts';
import { holdServices, type WantedObjects } from '../kubernetes/hold-services.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { OwnedObjects } from '../kubernetes/owned-objects.ts';
import { hostFault } from './judge-import-hosts.ts';
import { parseMeshConfig } from './mesh-config-document.ts';
import { istiodState } from './object-status.ts';
import { ownServiceEntriesOf } from './own-service-entries.ts';
import { type IstioMesh, ownServicesOf } from './own-services.ts';
import { meshTextOf } from './read-own-trust.ts';
import { renderAccess } from './render-access.ts';
import { renderImport, virtualAddressOf } from './render-import.ts';
import { AUTHORIZATION_POLICY, DESTINATION_RULE, SERVICE_ENTRY } from './service-kinds.ts';
import { readHostFacts, readOwnServiceFacts } from './service-facts.ts';

export interface IstioServicesOptions {
  readonly client: KubernetesClient;
  /** The mesh ConfigMap, which names the trust domain. */
  readonly meshConfigMap: ConfigMapName;
  /** Where ServiceEntries and DestinationRules of imports are written. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The services of Istio: read from Services, pods and ServiceEntries; imports written as
 * DestinationRule and ServiceEntry, access as AuthorizationPolicy. An export needs no object. See
 * docs/meshes/istio.md.
 */
export function createIstioServices(options: IstioServicesOptions): MeshServices {
  const { client, meshConfigMap, namespace, clock, random } = options;
  // First the DestinationRule, which has the identities.
  const imports = new OwnedObjects({ client, kinds: [DESTINATION_RULE, SERVICE_ENTRY], clock, random });
  const access = new OwnedObjects({ client, kinds: [AUTHORIZATION_POLICY], clock, random });

  const hold = async (
    held: OwnedObjects,
    part: 'import' | 'access',
    wanted: readonly WantedObjects[],
    mesh: IstioMesh,
    signal: AbortSignal,
  ): Promise<readonly ServiceReport[]> => {
    const mark = { owner: ownedNameOf(mesh.trustDomain, ''), part };
    return await holdServices(held, wanted, mark, { clock, stateOf: istiodState, signal });
  };

  const readServices = async (signal: AbortSignal): Promise<readonly OwnService[]> => {
    const { mesh } = await readMesh(client, meshConfigMap, signal);
    const facts = await readOwnServiceFacts(client, signal);
    const found = new Map<string, OwnService>();
    for (const service of [...ownServicesOf(facts, mesh), ...ownServiceEntriesOf(facts, mesh)])
      if (!found.has(service.id)) found.set(service.id, service);
    return [...found.values()];
  };

  return {
    readServices,

    applyExports: async (wanted: readonly WantedExport[], signal) => {
      if (wanted.length === 0) return [];
      const services = new Map((await readServices(signal)).map((each) => [each.id, each]));
      return wanted.map((each) => {
        const now = clock.now();
        const { service } = each;
        // What the operator declares is not looked for.
        const found = services.get(service.id) ?? (service.origin === 'operator' ? service : undefined);
        const fault = found ? found.obstacle : missingService(service);
        return serviceReport(exportSubject(each), fault ? 'refused' : 'accepted', now, fault);
      });
    },

    applyImports: async (wanted: readonly ImportedService[], signal) => {
      const { mesh } = await readMesh(client, meshConfigMap, signal);
      const facts =
        wanted.length === 0
          ? { services: [], serviceEntries: [], destinationRules: [] }
          : await readHostFacts(client, signal);
      const addresses = new Map<string, string>();
      const rendered = judgeImports(wanted).map(({ service, fault }): WantedObjects => {
        const refused = (why: ServiceFault) => ({
          subject: importSubject(service),
          fault: why,
        });
        if (fault) return refused(fault);
        const clash = hostFault(service, facts, namespace) ?? addressFault(service.name, addresses);
        if (clash) return refused(clash);
        const found = renderImport(service, namespace);
        return 'fault' in found ? refused(found.fault) : { subject: importSubject(service), ...found };
      });
      return await hold(imports, 'import', rendered, mesh, signal);
    },

    applyAccess: async (wanted: readonly WantedAccess[], signal) => {
      const { mesh, normalizesPaths } = await readMesh(client, meshConfigMap, signal);
      const rendered = wanted.map((each): WantedObjects => {
        const found = renderAccess(each, mesh, normalizesPaths);
        return { subject: accessSubject(each), ...found };
      });
      return await hold(access, 'access', rendered, mesh, signal);
    },
  };
}

function missingService({ id }: OwnService): ServiceFault {
  return { code: 'service-not-in-mesh', message: `the mesh has no service ${id} any more` };
}

/** Two names can have one address, seldom. Then the later one would get the calls of the first. */
function addressFault(name: string, addresses: Map<string, string>): ServiceFault | undefined {
  const address = virtualAddressOf(name);
  const first = addresses.get(address);
  if (first === undefined) {
    addresses.set(address, name);
    return undefined;
  }
  const message = `${name} would have the address ${address} of ${first}: import it by another name`;
  return { code: 'address-taken', message };
}

/** Throws `MeshAdapterError`. */
async function readMesh(
  client: KubernetesClient,
  meshConfigMap: ConfigMapName,
  signal: AbortSignal,
): Promise<{ readonly mesh: IstioMesh; readonly normalizesPaths: boolean }> {
  const { trustDomain, rest } = parseMeshConfig(meshTextOf(await client.get(meshConfigMap, signal)));
  if (!isTrustDomain(trustDomain))
    throw new MeshAdapterError('own-trust-domain-malformed', 'the mesh config names no trust domain');
  const config = fieldsOf(rest);
  const { namespace: systemNamespace } = meshConfigMap;
  const normalization = textOf(fieldsOf(config['pathNormalization'])['normalization']);
  return {
    mesh: { trustDomain, systemNamespace, rootNamespace: textOf(config['rootNamespace']) || systemNamespace },
    normalizesPaths: normalization === 'DECODE_AND_MERGE_SLASHES',
  };
}
