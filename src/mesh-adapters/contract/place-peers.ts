import { describeError, smallestFirst } from '../../platform/index.ts';
import type { X509Authority } from '../../spiffe/index.ts';
import { type Admission, refuseAdmission } from './admission.ts';
import { assertReadable } from './readable.ts';

/** How much a mesh is given. */
export interface PlaceLimits {
  /** Bytes of one peer, as they are written. */
  readonly bytesOfPeer: number;
  /** Bytes of all peers together, where they share one object, one message or one list. */
  readonly bytesOfAll: number;
}

/**
 * The limits of a mesh with one object for each peer. One object must fit what an API server or a
 * control plane accepts at once. All of them must fit one gRPC message, because control planes send
 * their proxies the whole set.
 */
export const OBJECT_LIMITS: PlaceLimits = { bytesOfPeer: 256 * 1024, bytesOfAll: 3.5 * 1024 * 1024 };

/** One peer with its wanted content in the mesh; undefined: nothing. */
export interface PlacedPeer<Rendered> {
  readonly admission: Admission;
  readonly rendered: Rendered | undefined;
}

/** How the content of each peer is rendered, and how much fits. */
export interface Placing<Rendered> {
  /**
   * The roots of a refused peer that stay: those that are in the mesh and that it still lists.
   */
  readonly rootsToKeep: (
    admission: Admission,
  ) => readonly X509Authority[] | Promise<readonly X509Authority[]>;
  /** Renders these roots of a peer. Called with at least one root, unless `rendersEmpty`. */
  readonly render: (admission: Admission, roots: readonly X509Authority[]) => Rendered | Promise<Rendered>;
  /** Whether a peer without roots has something in the mesh too. */
  readonly rendersEmpty?: boolean;
  readonly bytesOf: (rendered: Rendered) => number;
  readonly limits: PlaceLimits;
}

interface Item<Rendered> extends PlacedPeer<Rendered> {
  readonly name: string;
  readonly size: number;
}

/**
 * Renders the wanted content of each peer and checks that it fits, before anything is written. A
 * peer with roots that cannot be rendered, or that is too large, is refused alone. Of its roots,
 * only those stay that are in the mesh and still listed. Where all do not fit together, the
 * smallest peers come first.
 */
export async function placePeers<Rendered>(
  admissions: readonly Admission[],
  options: Placing<Rendered>,
): Promise<readonly PlacedPeer<Rendered>[]> {
  const { rootsToKeep, render, rendersEmpty = false, bytesOf, limits } = options;

  const rendered = async (admission: Admission, roots: readonly X509Authority[]) => {
    for (const root of roots) assertReadable(root);
    return roots.length > 0 || (rendersEmpty && !admission.refusal)
      ? await render(admission, roots)
      : undefined;
  };
  const itemOf = (admission: Admission, value: Rendered | undefined): Item<Rendered> => ({
    admission,
    rendered: value,
    name: admission.bundle.trustDomain,
    size: value === undefined ? 0 : bytesOf(value),
  });
  /** What stays of a refused peer: everything that can be rendered. */
  const restOf = async (admission: Admission): Promise<Item<Rendered>> => {
    const roots: X509Authority[] = [];
    for (const root of await rootsToKeep(admission)) {
      try {
        await rendered(admission, [root]);
        roots.push(root);
      } catch {
        // It stands in the mesh and cannot be written again, so it is removed.
      }
    }
    return itemOf(admission, await rendered(admission, roots));
  };
  const place = async (admission: Admission): Promise<Item<Rendered>> => {
    if (admission.refusal) return await restOf(admission);
    const { trustDomain } = admission.bundle;
    let item: Item<Rendered>;
    try {
      item = itemOf(admission, await rendered(admission, admission.roots));
    } catch (error) {
      const message = `a root of ${trustDomain} cannot be written for this mesh: ${describeError(error).message}`;
      return await restOf(refuseAdmission(admission, 'root-not-renderable', message));
    }
    if (item.size <= limits.bytesOfPeer) return item;
    const message = `the roots of ${trustDomain} take ${item.size} bytes, and a mesh is given at most ${limits.bytesOfPeer} of one peer`;
    return await restOf(refuseAdmission(admission, 'bundle-too-large', message));
  };

  const items: Item<Rendered>[] = [];
  for (const admission of admissions) items.push(await place(admission));
  const { chosen, left } = smallestFirst(items, limits.bytesOfAll);
  const crowdedOut: Item<Rendered>[] = [];
  for (const item of items) {
    if (chosen.has(item)) continue;
    const message = `the roots of ${item.name} take ${item.size} bytes, and after the smaller peers they do not fit into the ${limits.bytesOfAll} bytes of this mesh`;
    crowdedOut.push(await restOf(refuseAdmission(item.admission, 'mesh-full', message)));
  }
  const { chosen: rests } = smallestFirst(crowdedOut, left);
  const rest = new Map(crowdedOut.map((item) => [item.name, item]));
  return items.map((item) => {
    if (chosen.has(item)) return item;
    const kept = rest.get(item.name);
    if (!kept) return item;
    return rests.has(kept) ? kept : { ...kept, rendered: undefined };
  });
}
