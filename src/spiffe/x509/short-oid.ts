const MAX_ARC = 2 ** 31 - 1;

/** Whether Go can hold an object identifier: it keeps each of its numbers in 31 bits. */
export function isShortOid(oid: string): boolean {
  const [first = 0, second = 0, ...rest] = oid.split('.').map(Number);
  return [40 * first + second, ...rest].every((arc) => arc <= MAX_ARC);
}
