/** The member at the end of a path of names; undefined where one is missing. */
export function at(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (each, name) => (Object.hasOwn(Object(each), name) ? Object(each)[name] : undefined),
    value,
  );
}

/** A list, or nothing as an empty one. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new Error(`a text is expected, not ${JSON.stringify(value)}`);
}
