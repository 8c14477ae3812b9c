import type { HandlersOf, importRoutes, WarningDocument } from '../admin/index.ts';
import type { EndpointExtension } from '../bundle-endpoint/index.ts';
import type { AgentConfig, LoadedConfig } from '../config/index.ts';
import type { Federation, PeerHoldings } from '../federation/index.ts';
import type { MeshAdapter } from '../mesh-adapters/index.ts';
import { Listeners, type Part, partOf, type ProcessContext } from '../platform/index.ts';
import type { StatementSigner, TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { importHandlers } from './admin/imports.ts';
import { ServiceImports } from './service-imports.ts';
import { ServicePublisher } from './service-publisher.ts';
import { NO_SERVICES, type ServiceWants } from './service-wants.ts';

/** What the exchange of services takes of the agent. */
export interface ServiceExchangeParts {
  readonly store: Store;
  readonly federation: Federation;
  readonly holdings: PeerHoldings;
  readonly adapter: MeshAdapter;
  readonly own: () => TrustDomain | undefined;
  readonly signer: () => StatementSigner | undefined;
  readonly stopping: AbortSignal;
}

/** The exchange of services as the agent sees it. */
export interface ServiceExchange {
  /** What our mesh should hold. */
  readonly wants: ServiceWants;
  readonly extensions: readonly EndpointExtension[];
  readonly handlers: HandlersOf<keyof typeof importRoutes>;
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
  { config }: LoadedConfig<AgentConfig>,
  { store, federation, adapter, own, stopping }: ServiceExchangeParts,
  context: ProcessContext,
): ServiceExchange {
  const { clock, random, log } = context;
  const imports =
    config.services &&
    new ServiceImports(config.services, config, {
      store,
      federation,
      own,
      ownSnis: () => new Set(),
      declared: () => config.services?.imports ?? [],
      reports: () => publisher.list(),
      clock,
      random,
      log,
    });
  const wants = { ...NO_SERVICES, imports: async () => imports?.wanted() ?? [] };
  const publisher: ServicePublisher = new ServicePublisher({ adapter, wants, own, store }, context, stopping);
  const changed = new Listeners();
  changed.add(() => publisher.compare());
  imports?.onChange(() => changed.notify());
  return {
    wants,
    extensions: [],
    handlers: importHandlers({ imports, meshReport: (subject) => publisher.of(subject) }),
    parts: [...(imports ? [partOf('imports', imports)] : []), partOf('services', publisher)],
    onChange: changed.add,
    warnings: () => [...publisher.warnings(), ...(imports?.warnings() ?? [])],
    trustChanged: (trustDomain) => imports?.trustChanged(trustDomain),
  };
}
