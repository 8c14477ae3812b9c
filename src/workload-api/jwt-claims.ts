import type { StructMessage, ValueMessage } from '../grpc/index.ts';
import { JsonNumber, type JsonObject, type JsonValue } from '../spiffe/index.ts';

/**
 * The registered claims (RFC 7519 §4.1). Other claims have a meaning only within their own trust
 * domain.
 */
const REGISTERED = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']);

/**
 * The claims of a proven token; of a foreign one only the registered claims (WLAPI-27, as SPIRE's
 * agent does).
 */
export function claimsMessage(claims: JsonObject, options: { readonly foreign: boolean }): StructMessage {
  return struct(new Map([...claims].filter(([name]) => !options.foreign || REGISTERED.has(name))));
}

function struct(value: JsonObject): StructMessage {
  return { fields: Object.fromEntries([...value].map(([name, each]) => [name, valueMessage(each)])) };
}

function valueMessage(value: JsonValue): ValueMessage {
  if (value === null) return { null_value: 0 };
  if (typeof value === 'string') return { string_value: value };
  if (typeof value === 'boolean') return { bool_value: value };
  if (value instanceof JsonNumber) return { number_value: Number(value.source) };
  if (value instanceof Map) return { struct_value: struct(value) };
  return { list_value: { values: [...listOf(value)].map(valueMessage) } };
}

function listOf(value: JsonValue): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}
