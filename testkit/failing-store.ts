import { type Store, StoreError } from '../src/store/index.ts';

type StoreMethod = Exclude<keyof Store, symbol>;

/** A store that works, and can be told to fail: the store itself is not reached then, as when a disk is full. */
export type FailingStore = Store & {
  /** The next call of `method` (left out: of any method) rejects with `error`, by default `store-full`; then all is well again. */
  failNext(options?: { readonly method?: StoreMethod; readonly error?: Error }): void;
};

/** Wraps `store`; failures queue up in the order they were asked for. */
export function createFailingStore(store: Store): FailingStore {
  const planned: { method?: StoreMethod; error?: Error }[] = [];
  const failNext: FailingStore['failNext'] = (options = {}) => void planned.push(options);
  return new Proxy(Object.assign(Object.create(store), { failNext }), {
    get(target, name) {
      if (name === 'failNext') return failNext;
      const value: unknown = Reflect.get(store, name);
      if (typeof value !== 'function' || typeof name === 'symbol') return Reflect.get(target, name);
      return (...args: unknown[]) => {
        const index = planned.findIndex(({ method }) => method === undefined || method === name);
        const [plan] = index === -1 ? [] : planned.splice(index, 1);
        if (plan) {
          return Promise.reject(
            plan.error ?? new StoreError('store-full', 'the store has no room to grow, as the test wished'),
          );
        }
        return Reflect.apply(value, store, args);
      };
    },
  });
}
