import { z } from 'zod';
import { isMapping } from '../../../../objects/index.ts';
import { KubernetesError } from '../kubernetes-status.ts';

/** The shape of a `spec`. */
export type SpecSchema = z.ZodType<Readonly<Record<string, unknown>>>;

/** Any object. */
export const anySpec: SpecSchema = z.record(z.string(), z.unknown());

/**
 * Judges a spec as the schema of the CRD and istiod's webhook do together, and keeps it as it was
 * sent. A field that the simulation does not carry out is refused as an unknown one, because an
 * object that has no effect would be worse. Throws `KubernetesError` `BadRequest`.
 */
export function checkSpec(
  schema: SpecSchema,
  object: { readonly kind: string; readonly name: string; readonly spec: unknown },
): Readonly<Record<string, unknown>> {
  const spec = object.spec ?? {};
  const judged = schema.safeParse(spec);
  if (judged.success && isMapping(spec)) return spec;
  const [issue] = judged.success ? [] : judged.error.issues;
  const at = issue === undefined || issue.path.length === 0 ? '' : `.${issue.path.join('.')}`;
  throw new KubernetesError(
    'BadRequest',
    `admission webhook "rev.validation.istio.io" denied the request: configuration is invalid: ${object.kind} ${JSON.stringify(object.name)}: spec${at}: ${issue?.message ?? 'it is not an object'}`,
  );
}

/** A list with at least one entry. */
export function some<Schema extends z.ZodType>(schema: Schema) {
  return z.array(schema).min(1, 'must have at least one entry');
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

function isHost(text: string): boolean {
  const labels = text.split('.');
  const [first] = labels;
  const rest = first === '*' ? labels.slice(1) : labels;
  return text.length <= 255 && rest.length > 0 && rest.every((label) => LABEL.test(label));
}

/** A host name; the first label may be `*`. */
export const host = z.string().refine(isHost, 'must be a host name in lower case (RFC 1123)');
export const hostWithoutWildcard = host.refine((text) => !text.startsWith('*'), 'must not have a wildcard');
export const portNumber = z.number().int().min(1, 'must be in range 1..65535').max(65_535);
export const dnsLabel = z.string().regex(LABEL, 'must be a DNS label');
/** Namespaces that see an object: names, `.` for its own, or `*` for all alone. */
export const exportTo = z
  .array(z.union([z.literal('.'), z.literal('*'), dnsLabel]))
  .refine((list) => !list.includes('*') || list.length === 1, 'must have "*" alone');
export const labels = z.record(z.string().min(1), z.string().regex(/^[A-Za-z0-9._-]{0,63}$/));
/** A URI SAN, which in Istio is a SPIFFE ID, or a DNS name. */
export const subjectAltName = z
  .string()
  .regex(/^(?:spiffe:\/\/[a-z0-9._-]+\/[A-Za-z0-9._/-]+|[a-z0-9*]([a-z0-9.-]*[a-z0-9])?)$/, 'must be a SAN');
