import type { LeftOutDocument } from '../admin-client/index.ts';

/** One line for each entry of a peer's bundle that is not used, with the reason. */
export function leftOutLines(trustDomain: string, left: readonly LeftOutDocument[]): string[] {
  return left.map(({ message, code }) => `not used, of ${trustDomain}: ${message} [${code}]`);
}
