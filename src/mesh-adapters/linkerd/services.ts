import type { Clock, Random } from '../../platform/index.ts';
import type { ImportedService } from '../../services/index.ts';
import { isTrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { judgeImports } from '../contract/judge-imports.ts';
import type { MeshServices } from '../contract/mesh-services.ts';
import { ownedNameOf } from '../contract/owned-name.ts';
import { accessSubject, exportSubject, importSubject, serviceReport } from '../contract/service-report.ts';
import { holdServices, type WantedObjects } from '../kubernetes/hold-services.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { isOwned } from '../kubernetes/owned-object.ts';
import { collectionIn, OwnedObjects } from '../kubernetes/owned-objects.ts';
import { ownServicesOf } from './own-services.ts';
import { type LinkerdObjects, parseLinkerdValues } from './read-own-trust.ts';
import { renderAccess } from './render-access.ts';
import { renderImport } from './render-import.ts';
import { ACCESS_KINDS, EXTERNAL_WORKLOAD, POD, SERVICE } from './service-kinds.ts';

export interface LinkerdServicesOptions {
  readonly client: KubernetesClient;
  readonly objects: LinkerdObjects;
  /** The operator knows that peers take a client certificate with a DNS name alone. */
  readonly acceptDnsClients: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The services of Linkerd: imports written as ExternalWorkloads with a Service, access as Servers
 * with policies. See docs/meshes/linkerd.md.
 */
export function createLinkerdServices(options: LinkerdServicesOptions): MeshServices {
  const { client, objects, acceptDnsClients, clock, random } = options;
  const imports = new OwnedObjects({ client, kinds: [EXTERNAL_WORKLOAD, SERVICE], clock, random });
  const access = new OwnedObjects({ client, kinds: ACCESS_KINDS, clock, random });

  /** Throws `MeshAdapterError`. */
  const owner = async (signal: AbortSignal): Promise<string> => {
    const { trustDomain } = parseLinkerdValues(await client.get(objects.config, signal));
    if (isTrustDomain(trustDomain)) return ownedNameOf(trustDomain, '');
    throw new MeshAdapterError('own-trust-domain-malformed', 'the values of Linkerd name no trust domain');
  };
  const wantedImport = (service: ImportedService): WantedObjects => {
    const subject = importSubject(service);
    return acceptDnsClients
      ? { subject, ...renderImport(service) }
      : { subject, fault: clientFault(service) };
  };

  return {
    readServices: async (signal) => {
      const [services, pods] = await Promise.all(
        [SERVICE, POD].map((kind) => client.listObjects(collectionIn(kind, 'v1'), {}, signal)),
      );
      const others = (services?.items ?? []).filter((each) => !isOwned(each));
      return ownServicesOf(others, pods?.items ?? []);
    },

    applyExports: async (wanted) =>
      wanted.map((each) => {
        const fault = each.service.origin === 'operator' ? undefined : each.service.obstacle;
        const missing = each.service.spiffeIds.length === 0 ? NO_IDENTITY : undefined;
        const why = fault ?? missing;
        return serviceReport(exportSubject(each), why ? 'refused' : 'accepted', clock.now(), why);
      }),

    applyImports: async (wanted, signal) => {
      const rendered = judgeImports(wanted).map(({ service, fault }) =>
        fault ? { subject: importSubject(service), fault } : wantedImport(service),
      );
      return await holdServices(
        imports,
        rendered,
        { owner: await owner(signal), part: 'import' },
        { clock, signal },
      );
    },

    applyAccess: async (wanted, signal) => {
      const rendered = wanted.map((each) => ({ subject: accessSubject(each), ...renderAccess(each) }));
      return await holdServices(
        access,
        rendered,
        { owner: await owner(signal), part: 'access' },
        { clock, signal },
      );
    },
  };
}

const NO_IDENTITY = { code: 'no-spiffe-id', message: 'it has no SPIFFE ID, and peers check SPIFFE IDs' };

function clientFault({ id, trustDomain }: ImportedService) {
  return {
    code: 'client-without-spiffe-id',
    message: `workloads of Linkerd show a certificate with a DNS name and no SPIFFE ID, so the proxies of ${trustDomain} refuse them, and ${id} is not written. Where that peer takes such callers, set accept_dns_clients in the mesh section`,
  };
}
