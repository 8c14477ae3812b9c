/** The members of `T`, each of them optional and never `undefined`. */
export type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/**
 * Copies the members that are not `undefined`. Because an optional member must be absent
 * (`exactOptionalPropertyTypes`), `{ at, ...defined({ code }) }` has `code` only where it is known.
 */
export function defined<T extends object>(members: T): Defined<T> {
  const known = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as Defined<T>;
}
