/** Something that takes room next to others. */
export interface Sized {
  /** Decides between two of one size, so that equal input always gives the same choice. */
  readonly name: string;
  readonly size: number;
}

/**
 * Chooses what fits into `room`, the smallest first. One item that grows loses its place before any
 * smaller one does, and the same items always give the same choice, in whichever order they come.
 */
export function smallestFirst<Item extends Sized>(
  items: readonly Item[],
  room: number,
): { readonly chosen: ReadonlySet<Item>; readonly left: number } {
  const chosen = new Set<Item>();
  let left = room;
  for (const item of items.toSorted((a, b) => a.size - b.size || (a.name < b.name ? -1 : 1))) {
    if (item.size > left) continue;
    left -= item.size;
    chosen.add(item);
  }
  return { chosen, left };
}
