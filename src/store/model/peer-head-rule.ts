/**
 * How many heads of each peer stay. Because a peer shows a new head every few minutes, the store
 * thins old ones. The newest head reveals a rewritten history; an older one shows on which day it
 * was rewritten.
 */

/** The number of newest heads of each peer that stay, all of them. */
export const PEER_HEADS_KEPT = 64;
/** Of the older heads, the last one of each day (UTC) stays, for this many days that have one. */
export const PEER_HEAD_DAYS_KEPT = 366;
