import type { JsonObject, JsonValue } from './strict-json.ts';

/** Whether a claim is an object. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

/** Whether a claim is a digest: 64 lower-case hex digits. */
export function isDigest(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

/** The instant of a claim; undefined where it has another form. */
export function instantOfClaim(value: JsonValue | undefined): Date | undefined {
  const instant = typeof value === 'string' && value.length <= 40 ? new Date(value) : undefined;
  return instant && !Number.isNaN(instant.getTime()) ? instant : undefined;
}
