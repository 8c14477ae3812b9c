import type {
  accessRoutes,
  exportRoutes,
  HandlersOf,
  importRoutes,
  WarningDocument,
} from '../admin/index.ts';
import type { EndpointExtension } from '../bundle-endpoint/index.ts';
import type { AgentConfig, LoadedConfig } from '../config/index.ts';
import type { Federation, PeerHoldings } from '../federation/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import type { MeshAdapter } from '../mesh-adapters/index.ts';
import { Listeners, type Part, partOf, type ProcessContext } from '../platform/index.ts';
import type { StatementSigner, TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { accessHandlers } from './admin/access.ts';
import { exportHandlers } from './admin/exports.ts';
import { importHandlers } from './admin/imports.ts';
import { ServiceExports } from './service-exports.ts';
import { ServiceImports } from './service-imports.ts';
import { ServicePublisher } from './service-publisher.ts';
import type { ServiceWants } from './service-wants.ts';
import { ServicesFile } from './services-file.ts';

/** What the exchange of services takes of the agent. */
export interface ServiceExchangeParts {
  readonly store: Store;
  readonly federation: Federation;
  readonly holdings: PeerHoldings;
  readonly adapter: MeshAdapter;
  readonly own: () => TrustDomain | undefined;
  readonly signer: () => StatementSigner | undefined;
  readonly svid: SvidSource | undefined;
  readonly stopping: AbortSignal;
}

/** The exchange of services as the agent sees it. */
export interface ServiceExchange {
  /** What our mesh should hold. */
  readonly wants: ServiceWants;
  readonly extensions: readonly EndpointExtension[];
  readonly handlers: HandlersOf<
    keyof typeof importRoutes | keyof typeof exportRoutes | keyof typeof accessRoutes
  >;
  /** In the order in which they start. */
  readonly parts: readonly Part[];
  /** Calls back whenever our mesh should hold something else. */
  readonly onChange: (listener: () => void) => void;
  readonly warnings: () => readonly WarningDocument[];
  /** Another bundle of this trust domain counts, or none. */
  readonly trustChanged: (trustDomain: TrustDomain) => void;
}

/**
 * Builds what exchanges services with peers and brings them into our mesh. Without a section
 * `services` in the config nothing is exchanged, and what the mesh holds from before goes.
 */
export function createServiceExchange(
  { config, file }: LoadedConfig<AgentConfig>,
  exchange: ServiceExchangeParts,
  context: ProcessContext,
): ServiceExchange {
  const { store, federation, adapter, own, svid, stopping } = exchange;
  const { clock, random, log } = context;
  const live =
    config.services &&
    new ServicesFile({ file, initial: config.services, clock, log: log.with({ part: 'services' }) });
  const exports = live && new ServiceExports(config, live, exchange, context);
  const imports =
    live &&
    new ServiceImports(live.current, config, {
      store,
      federation,
      svid,
      own,
      ownSnis: () => exports?.owner.book.snis() ?? new Set(),
      declared: () => live.current.imports,
      reports: () => publisher.list(),
      clock,
      random,
      log,
    });
  const book = exports?.owner.book;
  const wants: ServiceWants = {
    exports: async () => (book ? (exports?.isKnown ? book.wantedExports() : undefined) : []),
    access: async () => (book ? (exports?.isKnown ? book.wantedAccess() : undefined) : []),
    imports: async () => imports?.wanted() ?? [],
  };
  const publisher: ServicePublisher = new ServicePublisher({ adapter, wants, own, store }, context, stopping);
  const changed = new Listeners();
  changed.add(() => publisher.compare());
  exports?.owner.onSettled(() => changed.notify());
  if (imports) exports?.routesAlso(() => imports.importer.book.egressRoutes());
  imports?.onChange(() => {
    exports?.routesChanged();
    changed.notify();
  });
  live?.onChange(() => imports?.declareAgain());
  return {
    wants,
    extensions: exports ? [exports.reception] : [],
    handlers: {
      ...importHandlers({ imports, publisher }),
      ...exportHandlers({ exports, publisher }),
      ...accessHandlers({ exports, publisher }),
    },
    parts: [
      ...(live ? [partOf('services of the config', live)] : []),
      // Before the exports, whose first table of routes has those of imports too.
      ...(imports ? [partOf('imports', imports)] : []),
      ...(exports ? [partOf('exports', exports)] : []),
      partOf('services', publisher),
    ],
    onChange: changed.add,
    warnings: () => [
      ...publisher.warnings(),
      ...(live?.warnings() ?? []),
      ...(exports?.warnings() ?? []),
      ...(imports?.warnings() ?? []),
    ],
    trustChanged: (trustDomain) => {
      exports?.owner.compare();
      imports?.trustChanged(trustDomain);
    },
  };
}
