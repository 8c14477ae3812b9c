/** `use(value)`, or undefined where there is no value. */
export function given<Value, Result>(
  value: Value | null | undefined,
  use: (value: Value) => Result,
): Result | undefined {
  return value === null || value === undefined ? undefined : use(value);
}
