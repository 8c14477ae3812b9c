import { z } from 'zod';
import { createForbiddenRanges } from '../federation/index.ts';
import { type ListenAddress, parseDurationMs, parseSizeBytes } from '../platform/index.ts';
import { CodedError, parseEndpointUrl, parsePin, parseSpiffeId, parseTrustDomain } from '../spiffe/index.ts';
import { ENDPOINT_VARIABLE, parseEndpointAddress } from '../workload-api/index.ts';

/** A value that `parse` reads from text; its coded refusal becomes the reported mistake. */
export function parsed<Value>(parse: (text: string) => Value) {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      context.addIssue({ code: 'custom', message: error.message, params: { code: error.code } });
      return z.NEVER;
    }
  });
}

/**
 * A value that `read` makes of a text, or the mistake that names the rule and, unless it may hold a
 * secret, the text.
 */
export function wanted<Value>(
  read: (text: string) => Value | undefined,
  rule: string,
  { secret = false }: { readonly secret?: boolean } = {},
) {
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: secret ? rule : `${rule}, not ${JSON.stringify(text)}` });
    return z.NEVER;
  });
}

/**
 * Has a check of several fields run although some of them are wrong, so that all mistakes are found
 * at once; fields may be missing then.
 */
export const evenIfWrong = {
  when: ({ value }: { readonly value: unknown }) => typeof value === 'object' && value !== null,
};

/** A duration with its unit, such as `"30s"` or `"1h30m"`; becomes milliseconds. */
export const duration = () =>
  wanted(parseDurationMs, 'a duration has a unit, such as "250ms", "30s", "5m" or "1h30m"');

/** A size with its unit, such as `"64KiB"`; becomes bytes. */
export const size = () => wanted(parseSizeBytes, 'a size has a unit, such as "64KiB" or "1MiB"');

/** `"host:port"`, with brackets around an IPv6 host. */
export const listenAddress = () =>
  wanted(parseListenAddress, 'an address is "host:port", such as "127.0.0.1:8443" or "[::1]:8443"');

export const trustDomainField = () => parsed(parseTrustDomain);
export const spiffeIdField = () => parsed(parseSpiffeId);
export const endpointUrlField = () => parsed(parseEndpointUrl);
export const pinField = () => parsed(parsePin);

/** The address of a Workload API, or the name of the environment variable that holds it. */
export const endpointAddressField = () =>
  parsed((text) => (text === ENDPOINT_VARIABLE ? ENDPOINT_VARIABLE : parseEndpointAddress(text)));

const pathFields = z.registry<{ readonly isPath: true }>();

/** The path of a file, folder or Unix socket; absolute in a config that was read. */
export const path = () => z.string().min(1).register(pathFields, { isPath: true });

/** Whether `path()` made this field. */
export const isPathField = (schema: z.core.$ZodType): boolean => pathFields.get(schema)?.isPath === true;

export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host !== undefined && port <= 65_535 ? { host, port } : undefined;
}

export const logLevel = () =>
  z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least level that is logged.');

/** The observability settings of agent, gateway and sidecar. */
export const processFields = {
  log_level: logLevel(),
  metrics: listenAddress()
    .optional()
    .describe(
      'Where `/metrics`, `/livez`, `/readyz` and `/healthz` are served over plain HTTP; off when absent.',
    ),
};

/** A range of IP addresses in CIDR notation. */
export const addressRange = () =>
  z.string().refine(isRange, 'a range is an address and a prefix length, such as "10.0.0.0/8" or "fd00::/8"');

function isRange(text: string): boolean {
  try {
    createForbiddenRanges([text]);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
