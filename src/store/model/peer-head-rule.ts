/** So many of the newest heads of each peer stay, all of them. */
export const PEER_HEADS_KEPT = 64;
/**
 * Of the older ones the last head of each day (UTC) stays, for so many days on which there was one.
 */
export const PEER_HEAD_DAYS_KEPT = 366;

/**
 * The heads of one peer that stay, of a list in the order in which they were seen. A peer shows a
 * new head every few minutes; what takes its history back is found with the newest head, and an
 * older one shows on which day it was taken back.
 */
export function thinnedHeads<Head extends { readonly seenAt: Date }>(heads: readonly Head[]): Head[] {
  const newest = heads.slice(-PEER_HEADS_KEPT);
  const lastOfDay = new Map<string, Head>();
  for (const head of heads) lastOfDay.set(head.seenAt.toISOString().slice(0, 10), head);
  const days = [...lastOfDay].sort(([a], [b]) => (a < b ? -1 : 1)).slice(-PEER_HEAD_DAYS_KEPT);
  const kept = new Set([...newest, ...days.map(([, head]) => head)]);
  return heads.filter((head) => kept.has(head));
}
