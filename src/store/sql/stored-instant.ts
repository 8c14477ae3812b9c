/** Reads an instant of a row, which is ISO 8601 text in UTC. */
export function dateFrom(text: string): Date {
  return new Date(text);
}
