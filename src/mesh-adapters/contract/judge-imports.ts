import { type ImportedService, isHostName } from '../../services/index.ts';
import { trustDomainOf } from '../../spiffe/index.ts';

/** Why a service is not given to the mesh. */
export interface ServiceFault {
  readonly code: string;
  readonly message: string;
}

/**
 * Judges imports before anything is written, for every mesh. Each import without a fault has a host
 * name of its own, and SNI, SPIFFE IDs, scope and endpoints together (invariant 12). Where two
 * imports have one name, the first keeps it. Codes: `import-incomplete`, `import-name-invalid`,
 * `import-foreign-identity`, `name-taken`. Pure.
 */
export function judgeImports(
  wanted: readonly ImportedService[],
): readonly { readonly service: ImportedService; readonly fault: ServiceFault | undefined }[] {
  const owners = new Map<string, ImportedService>();
  return wanted.map((service) => {
    const fault = faultOf(service);
    if (fault) return { service, fault };
    const first = owners.get(service.name);
    if (!first) {
      owners.set(service.name, service);
      return { service, fault: undefined };
    }
    const message = `${service.name} is the name of ${first.id} of ${first.trustDomain} already`;
    return { service, fault: { code: 'name-taken', message } };
  });
}

function faultOf({ id, name, trustDomain, spiffeIds, ports, namespaces }: ImportedService) {
  const incomplete = (what: string): ServiceFault => ({
    code: 'import-incomplete',
    message: `the import ${id} of ${trustDomain} has no ${what}, so nothing of it is written`,
  });
  if (!isHostName(name))
    return {
      code: 'import-name-invalid',
      message: `the import ${id} of ${trustDomain} has the name ${JSON.stringify(name.slice(0, 260))}, which is not a host name`,
    };
  if (spiffeIds.length === 0) return incomplete('SPIFFE ID');
  const foreign = spiffeIds.find((each) => trustDomainOf(each) !== trustDomain);
  if (foreign !== undefined)
    return {
      code: 'import-foreign-identity',
      message: `the import ${id} of ${trustDomain} names ${foreign}, an identity of another trust domain`,
    };
  if (namespaces.length === 0) return incomplete('namespace in which its name is visible');
  if (ports.length === 0) return incomplete('port');
  for (const port of ports) {
    if (!isHostName(port.sni)) return incomplete(`legal SNI for the port ${port.name}`);
    if (port.endpoints.length === 0) return incomplete(`endpoint for the port ${port.name}`);
  }
  return undefined;
}
