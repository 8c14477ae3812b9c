/** The number of newest heads of each peer that stay, all of them. */
export const PEER_HEADS_KEPT = 64;
/** Of the older heads, the last one of each day (UTC) stays, for this many days that have one. */
export const PEER_HEAD_DAYS_KEPT = 366;

/**
 * Returns the heads of one peer that stay, from a list in the order in which they were seen.
 * Because a peer shows a new head every few minutes, old ones are thinned. The newest head reveals
 * a rewritten history; an older one shows on which day it was rewritten.
 */
export function thinnedHeads<Head extends { readonly seenAt: Date }>(heads: readonly Head[]): Head[] {
  const newest = heads.slice(-PEER_HEADS_KEPT);
  const lastOfDay = new Map<string, Head>();
  for (const head of heads) lastOfDay.set(head.seenAt.toISOString().slice(0, 10), head);
  const days = [...lastOfDay].sort(([a], [b]) => (a < b ? -1 : 1)).slice(-PEER_HEAD_DAYS_KEPT);
  const kept = new Set([...newest, ...days.map(([, head]) => head)]);
  return heads.filter((head) => kept.has(head));
}
