import type { HandlersOf, storeRoutes } from '../../admin/index.ts';
import type { Store } from '../../store/index.ts';

/** Answers about the file of the store. */
export function storeHandlers({
  store,
  storePath,
}: {
  readonly store: Pick<Store, 'compact'>;
  readonly storePath: string;
}): HandlersOf<keyof typeof storeRoutes> {
  return {
    'POST /v1/store/compact': async () => {
      const { bytesBefore, bytesAfter } = await store.compact();
      return { store: storePath, bytes_before: bytesBefore, bytes_after: bytesAfter };
    },
  };
}
