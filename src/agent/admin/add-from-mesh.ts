import { type AddRequest, FederationError, type Relationships } from '../../federation/index.ts';
import { defined } from '../../objects/index.ts';
import type { Pin } from '../../spiffe/index.ts';

/**
 * Adds a peer whose first bundle is proved by a key that stands in our own mesh. The pins are tried
 * one after the other, because some of these roots may be gone at the peer. Throws what
 * `Relationships.add` throws.
 */
export async function addFromMesh(
  relationships: Pick<Relationships, 'add'>,
  request: AddRequest,
  pins: readonly [Pin, ...Pin[]],
): ReturnType<Relationships['add']> {
  const { caPem } = request.bootstrap;
  const withPin = (pin: Pin) =>
    relationships.add({
      ...request,
      bootstrap: { kind: 'pin', pin, ...defined({ caPem }) },
    });
  const [first, ...more] = pins;
  try {
    return await withPin(first);
  } catch (error) {
    const [next, ...rest] = more;
    const isOtherRoot = error instanceof FederationError && TRY_NEXT.has(error.code);
    if (next === undefined || !isOtherRoot) throw error;
    return await addFromMesh(relationships, request, [next, ...rest]);
  }
}

/** The peer does not list this root any more, or its endpoint does not rest on it. */
const TRY_NEXT: ReadonlySet<string> = new Set(['pin-mismatch', 'bootstrap-fetch-failed']);
