import {
  type AdminHandlers,
  type AdminServer,
  routes,
  warningsIn,
  type WarningDocument,
} from '../src/admin/index.ts';
import { bundleHandlers } from '../src/agent/admin/bundles.ts';
import { historyHandlers } from '../src/agent/admin/history.ts';
import type { PeersSeen } from '../src/agent/admin/peers-seen.ts';
import { relationshipHandlers } from '../src/agent/admin/relationships.ts';
import { type Log, silentLog } from '../src/platform/index.ts';
import type { Store } from '../src/store/index.ts';

type Served = Omit<ConstructorParameters<typeof AdminServer>[0], 'path'>;

const NOTHING_SEEN: PeersSeen = {
  standing: () => undefined,
  standings: () => [],
  countingAuthorities: () => undefined,
  distrusted: () => [],
  endpoints: () => [],
  theirSide: () => null,
  inMesh: () => null,
  peerHolds: () => null,
};

/**
 * What an admin socket serves in a test: the answers that come from a store, those that the test gives, and for every other route a
 * refusal that names it.
 */
export function stubAdmin(
  store: Store,
  given: Partial<AdminHandlers> = {},
  agent: {
    readonly seen?: Partial<PeersSeen>;
    readonly warnings?: readonly WarningDocument[];
    readonly storePath?: string;
    readonly log?: Log;
    readonly notReady?: () => string | undefined;
  } = {},
): Served {
  const attention = { list: async () => agent.warnings ?? (await warningsIn(store)) };
  const federation = {
    leftOut: { of: () => [] },
    relationships: { setBundle: () => Promise.reject(new TypeError('no bundle is set in this test')) },
  };
  const handlers = {
    ...refusals(),
    'GET /v1/distrusted': () => [],
    ...relationshipHandlers({ store, attention, seen: { ...NOTHING_SEEN, ...agent.seen } }),
    ...bundleHandlers({ store, federation }),
    ...historyHandlers({ store, storePath: agent.storePath ?? '' }),
    ...given,
  };
  return {
    handlers,
    log: agent.log ?? silentLog,
    renderMetrics: async () => '',
    notReady: agent.notReady ?? (() => undefined),
  };
}

function refusals(): AdminHandlers {
  const refusal = (name: string) => () => {
    throw new TypeError(`${name} is not asked in this test`);
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one for each route, and each throws
  return Object.fromEntries(
    Object.keys(routes).map((name) => [name, refusal(name)]),
  ) as unknown as AdminHandlers;
}
