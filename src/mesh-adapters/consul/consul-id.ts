import { defined } from '../../objects/index.ts';
import { pathOf, type SpiffeId } from '../../spiffe/index.ts';

/** The parts of an ID in the only form that Consul's intentions can match. */
export interface ConsulServiceId {
  readonly partition?: string;
  readonly namespace: string;
  readonly datacenter: string;
  readonly service: string;
}

const FORM = /^(?:\/ap\/([^/]+))?\/ns\/([^/]+)\/dc\/([^/]+)\/svc\/([^/]+)$/;

/**
 * Reads `spiffe://<td>[/ap/<partition>]/ns/<ns>/dc/<dc>/svc/<service>`; undefined for any other
 * form.
 */
export function consulServiceIdOf(id: SpiffeId): ConsulServiceId | undefined {
  const [, partition, namespace, datacenter, service] = FORM.exec(pathOf(id)) ?? [];
  if (namespace === undefined || datacenter === undefined || service === undefined) return undefined;
  return { ...defined({ partition }), namespace, datacenter, service };
}
