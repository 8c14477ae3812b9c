import type { Clock, Random } from '../../platform/index.ts';
import type { ImportedService, OwnService } from '../../services/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { judgeImports, type ServiceFault } from '../contract/judge-imports.ts';
import type { MeshServices, ServiceReport } from '../contract/mesh-services.ts';
import { ownedNameOf } from '../contract/owned-name.ts';
import { accessSubject, exportSubject, importSubject, serviceReport } from '../contract/service-report.ts';
import { holdServices, type WantedObjects } from '../kubernetes/hold-services.ts';
import { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import type { OwnedKind } from '../kubernetes/owned-object.ts';
import { collectionIn, type ObjectHolder, OwnedObjects } from '../kubernetes/owned-objects.ts';
import type { KumaKubernetesAccess } from './kubernetes-mesh-trusts.ts';
import { type MeshResource, ownServicesOf } from './own-services.ts';
import { renderAccess } from './render-access.ts';
import { computedSni, meshServiceNameOf, renderImport } from './render-import.ts';
import { type KumaRestAccess, KumaRestApi } from './rest-api.ts';
import { RestObjects } from './rest-objects.ts';
import { DATAPLANE, IMPORT_KINDS, MESH_SERVICE, MESH_TLS, MESH_TRAFFIC_PERMISSION } from './service-kinds.ts';

export interface KumaServicesOptions {
  readonly access: KumaRestAccess | KumaKubernetesAccess;
  readonly mesh: string;
  readonly origin: 'zone' | 'global' | undefined;
  readonly experimentalImports: boolean;
  /** The own trust domain. Throws `MeshAdapterError`. */
  readonly own: (signal: AbortSignal) => Promise<TrustDomain>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Our objects for one part, and how resources are listed. */
interface KumaPlace {
  readonly imports: ObjectHolder;
  readonly access: ObjectHolder;
  readonly majorVersion: (signal: AbortSignal) => Promise<number>;
  readonly list: (kind: OwnedKind, signal: AbortSignal) => Promise<readonly MeshResource[]>;
}

/** From this version on Kuma writes an SNI from names, and before that a hash (MADR-101). */
const SNI_KNOWN_SINCE = 3;
const MESH_LABEL = 'kuma.io/mesh';
const IMPORT_LABEL = 'federate.dev/import';

/**
 * The services of Kuma: read from MeshServices; access as MeshTrafficPermissions; imports on
 * Universal as an experiment. See docs/meshes/kuma.md.
 */
export function createKumaServices(options: KumaServicesOptions): MeshServices {
  const { access, mesh, experimentalImports, own, clock } = options;
  const place = access.kind === 'rest' ? restPlace(access, options) : kubernetesPlace(access, options);
  const owner = async (signal: AbortSignal) => ownedNameOf(await own(signal), '');

  const readServices = async (signal: AbortSignal): Promise<readonly OwnService[]> => {
    const [trustDomain, meshServices, dataplanes, meshTlses] = await Promise.all([
      own(signal),
      place.list(MESH_SERVICE, signal),
      access.kind === 'rest' ? place.list(DATAPLANE, signal) : [],
      place.list(MESH_TLS, signal),
    ]);
    return ownServicesOf({
      trustDomain,
      dataplanes,
      meshTlses,
      meshServices: meshServices.filter(({ labels }) => labels[IMPORT_LABEL] === undefined),
    });
  };
  const importFault = ({ id, trustDomain }: ImportedService): ServiceFault | undefined => {
    if (access.kind !== 'rest')
      return {
        code: 'imports-need-universal',
        message: `Kuma has no object for ${id} of ${trustDomain} on Kubernetes: use a zone egress of your own`,
      };
    if (experimentalImports) return undefined;
    return {
      code: 'imports-experimental',
      message: `Kuma has no public object for a service of another mesh whose callers keep their identity, so ${id} of ${trustDomain} is not written: experimental_imports in the mesh section allows an undocumented way`,
    };
  };

  return {
    readServices,

    applyExports: async (wanted, signal) => {
      if (wanted.length === 0) return [];
      const services = new Map((await readServices(signal)).map((each) => [each.id, each]));
      return wanted.map((each) => {
        const { service } = each;
        const found = services.get(service.id) ?? (service.origin === 'operator' ? service : undefined);
        const missing = {
          code: 'service-not-in-mesh',
          message: `the mesh has no service ${service.id} any more`,
        };
        const fault = found ? found.obstacle : missing;
        return serviceReport(exportSubject(each), fault ? 'refused' : 'accepted', clock.now(), fault);
      });
    },

    applyImports: async (wanted, signal) => {
      const isPossible = experimentalImports && access.kind === 'rest';
      const version = isPossible ? await place.majorVersion(signal) : 0;
      const rendered = judgeImports(wanted).map(
        ({ service, fault = importFault(service) }): WantedObjects => {
          const subject = importSubject(service);
          return fault
            ? { subject, fault }
            : { subject, objects: renderImport(service, version), note: noteOf(service, version) };
        },
      );
      // Without a way to write imports there is nothing of ours to look for.
      if (access.kind !== 'rest')
        return rendered.map(({ subject, fault }) => serviceReport(subject, 'refused', clock.now(), fault));
      const mark = { owner: await owner(signal), part: 'import' } as const;
      const reports = await holdServices(place.imports, rendered, mark, { clock, signal });
      const held = reports.some(({ state }) => state === 'written')
        ? await place.list(MESH_SERVICE, signal)
        : [];
      return reports.map((report, index) => {
        const service = wanted[index];
        const isKnown = service && report.state === 'written' && version >= SNI_KNOWN_SINCE;
        return isKnown ? withSni(report, service, held, mesh) : report;
      });
    },

    applyAccess: async (wanted, signal) => {
      const rendered = wanted.map((each) => ({
        subject: accessSubject(each),
        ...renderAccess(each, access.kind === 'rest' ? undefined : { namespace: access.namespace, mesh }),
      }));
      const mark = { owner: await owner(signal), part: 'access' } as const;
      return await holdServices(place.access, rendered, mark, { clock, signal });
    },
  };
}

/** Adds the SNI that the proxies send, by the zone that the control plane wrote into the MeshService. */
function withSni(
  report: ServiceReport,
  service: ImportedService,
  held: readonly MeshResource[],
  mesh: string,
): ServiceReport {
  const found = held.find(({ name }) => name === meshServiceNameOf(service));
  return { ...report, wantedSni: computedSni(service, mesh, found?.labels['kuma.io/zone']) };
}

function noteOf(service: ImportedService, majorVersion: number): ServiceFault {
  const sni =
    majorVersion >= SNI_KNOWN_SINCE
      ? 'the owner learns the SNI that Kuma computes'
      : "the SNI that this version of Kuma computes is not known: read it in the configuration of a proxy, and add it to the routes of the owner's gateway";
  return {
    code: 'imports-experimental',
    message: `callers use the MeshService ${meshServiceNameOf(service)}; this way of importing is an experiment, and ${sni}`,
  };
}

function restPlace(access: KumaRestAccess, { mesh, origin, clock, random }: KumaServicesOptions): KumaPlace {
  const api = new KumaRestApi(access, mesh, clock);
  const labels: Readonly<Record<string, string>> = origin === undefined ? {} : { 'kuma.io/origin': origin };
  const common = { api, labels, clock, random };
  return {
    imports: new RestObjects({ ...common, kinds: IMPORT_KINDS, fillsIn: true }),
    access: new RestObjects({ ...common, kinds: [MESH_TRAFFIC_PERMISSION], fillsIn: false }),
    majorVersion: (signal) => api.majorVersion(signal),
    list: async ({ plural }, signal) =>
      (await api.list(plural, signal)).map((resource) => ({
        name: resource.name,
        labels: resource.labels ?? {},
        fields: resource,
      })),
  };
}

function kubernetesPlace(
  { kubernetes }: KumaKubernetesAccess,
  { mesh, clock, random }: KumaServicesOptions,
): KumaPlace {
  const client = new KubernetesClient({ source: kubernetes, clock });
  return {
    imports: { hold: async () => [] },
    access: new OwnedObjects({ client, kinds: [MESH_TRAFFIC_PERMISSION], clock, random }),
    majorVersion: async () => 0,
    list: async (kind, signal) => {
      const selector = { labelSelector: `${MESH_LABEL}=${mesh}` };
      const { items } = await client.listObjects(collectionIn(kind, 'v1alpha1'), selector, signal);
      return items.map((object) => ({
        name: object.metadata.name,
        labels: object.metadata.labels ?? {},
        fields: object,
      }));
    },
  };
}
