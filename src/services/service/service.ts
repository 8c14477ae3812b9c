import { CodedError } from '../../errors/index.ts';

declare const serviceIdBrand: unique symbol;

/** The stable name of a service at its owner: DNS labels, such as `web.shop`; made only by parsing. */
export type ServiceId = string & { readonly [serviceIdBrand]: true };

export type ServiceErrorCode = 'service-id-invalid' | 'service-port-invalid';

/** The description of a service is refused. */
export class ServiceError extends CodedError<ServiceErrorCode> {}

export const PROTOCOLS = ['http', 'http2', 'grpc', 'tcp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface ServicePort {
  /** A DNS label, unique in the service. Rules name ports by it. */
  readonly name: string;
  /** The port at which the workload listens. */
  readonly port: number;
  readonly protocol: Protocol;
  /** The server speaks first, as in MySQL and SMTP. Only with `tcp`. */
  readonly serverFirst: boolean;
}

/** A service of our mesh, as far as access to it is concerned. */
export interface Service {
  readonly id: ServiceId;
  readonly ports: readonly ServicePort[];
}

/** Room for the suffixes that names of imports and SNIs have, of the 253 characters of a host name. */
const MAX_ID_CHARACTERS = 120;
const MAX_PORTS = 32;
const LABEL = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Throws `ServiceError` `service-id-invalid`. */
export function parseServiceId(text: string): ServiceId {
  if (isServiceId(text)) return text;
  throw new ServiceError(
    'service-id-invalid',
    `the ID of a service is lower-case DNS labels, such as web.shop, in at most ${MAX_ID_CHARACTERS} characters, not ${JSON.stringify(text.slice(0, MAX_ID_CHARACTERS + 1))}`,
  );
}

/** Whether `parseServiceId` accepts a text. */
export function isServiceId(text: string): text is ServiceId {
  return text.length <= MAX_ID_CHARACTERS && text.split('.').every((label) => LABEL.test(label));
}

/**
 * Checks that the ports of a service are usable together: 1 to 32 of them, with names and numbers
 * that differ. Throws `ServiceError` `service-port-invalid`.
 */
export function checkPorts(ports: readonly ServicePort[]): void {
  const refuse = (message: string): never => {
    throw new ServiceError('service-port-invalid', message);
  };
  if (ports.length === 0 || ports.length > MAX_PORTS)
    refuse(`a service has 1 to ${MAX_PORTS} ports, not ${ports.length}`);
  for (const { name, port, protocol, serverFirst } of ports) {
    if (!LABEL.test(name))
      refuse(`the name of a port is a lower-case DNS label, not ${JSON.stringify(name.slice(0, 64))}`);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      refuse(`port ${name} has a number from 1 to 65535, not ${port}`);
    if (serverFirst && protocol !== 'tcp')
      refuse(`port ${name} speaks ${protocol}, in which the client speaks first`);
  }
  if (new Set(ports.map(({ name }) => name)).size < ports.length)
    refuse('two ports of a service have the same name');
  if (new Set(ports.map(({ port }) => port)).size < ports.length)
    refuse('two ports of a service have the same number');
}
