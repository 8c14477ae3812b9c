import { type AdminServices, warningsIn } from '../../src/dashboard/index.ts';
import { silentLog } from '../../src/platform/index.ts';
import type { Store } from '../../src/store/index.ts';

/** The services behind an admin socket: a store, those that a test gives, and for every other a refusal that names it. */
export function stubAdminServices(store: Store, given: Partial<AdminServices> = {}): AdminServices {
  const services: Partial<AdminServices> = {
    store,
    log: silentLog,
    inMesh: () => null,
    warnings: () => warningsIn(store),
    distrusted: () => [],
    endpoints: () => [],
    leftOut: () => [],
    theirSide: () => null,
    standing: () => undefined,
    countingAuthorities: () => undefined,
    peerHolds: () => null,
    ...given,
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is not there answers when it is called
  return new Proxy(services, {
    get: (known, name: keyof AdminServices) =>
      known[name] ??
      (() => {
        throw new TypeError(`${name} is not asked in this test`);
      }),
  }) as AdminServices;
}
