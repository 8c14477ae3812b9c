import { randomUUID } from 'node:crypto';
import { type Clock, type Log, pause } from '../../../platform/index.ts';
import {
  EXPORTED_SERVICE_LIST_URL,
  PEERING_TRUST_BUNDLE_URL,
  type PeeringTrustBundle,
  peeringServerAddressesMessage,
  type ReplicationMessage,
} from '../../../grpc/index.ts';
import { defined } from '../../../objects/index.ts';
import { pemFromCertificates, type TrustDomain } from '../../../spiffe/index.ts';
import type { OwnRoot } from '../certificate-authority.ts';
import type { ConsulState, ImportedService, Peering } from './consul-state.ts';
import { peerResources } from './peer-resources.ts';
import { PeerStreamSession } from './peer-stream-session.ts';
import { parsePeeringToken, type PeeringToken, serializePeeringToken } from './peering-token.ts';

/** The reason for a refused peering request, as HTTP or gRPC sends it. */
export type PeeringRefusal = 'invalid' | 'unknown-peering' | 'wrong-secret' | 'being-deleted';

/**
 * How long a deleted peering is still listed as `DELETING`: the product deletes in the background.
 */
const DELETION_DELAY_MS = 200;
const MAX_ROOTS = 100;
const MAX_IMPORTS = 1000;

interface PeeringsOptions {
  readonly state: ConsulState;
  readonly trustDomain: TrustDomain;
  readonly datacenter: string;
  readonly ownRoots: () => readonly OwnRoot[];
  /** Where peers reach the gRPC listener, `host:port`. */
  readonly serverAddress: () => string;
  /** Called when the trust that proxies need may have changed. */
  readonly onTrustChanged: () => void;
  /** Called when the services of a peer may have changed. */
  readonly onServicesChanged: () => void;
  /** Called when a peering is to be dialed. */
  readonly onDial: (peering: Peering) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * The life of the peerings of a cluster: tokens, secrets, streams, what was imported, and the end.
 */
export class Peerings {
  readonly #options: PeeringsOptions;
  readonly #sessions = new Map<string, PeerStreamSession>();
  readonly #deletions = new Set<Promise<void>>();

  constructor(options: PeeringsOptions) {
    this.#options = options;
  }

  /** The name in the certificate of our peering listener. */
  get serverName(): string {
    return `server.${this.#options.datacenter}.peering.${this.#options.trustDomain}`;
  }

  /**
   * Returns a token for `name`; its peering begins with the token (PENDING). A second token for it
   * replaces the unused first.
   */
  generateToken(request: {
    readonly name: string;
    readonly meta: Readonly<Record<string, string>>;
    readonly externalAddresses: readonly string[];
  }): { readonly token: string } | PeeringRefusal {
    const { state, datacenter } = this.#options;
    if (!isPeeringName(request.name)) return 'invalid';
    const held = state.peering(request.name);
    if (held?.state === 'DELETING') return 'being-deleted';
    if (held?.dial) return 'invalid';
    const establishmentSecret = randomUUID();
    const peering = state.putPeering({
      // A peering that its peer ended starts again, with a new ID.
      ...(held && held.state !== 'TERMINATED' ? held : { id: randomUUID(), state: 'PENDING' as const }),
      name: request.name,
      meta: request.meta,
      establishmentSecret,
    });
    const token: PeeringToken = {
      CA: this.#options.ownRoots().map((root) => pemFromCertificates([root.authority.der])),
      ...(request.externalAddresses.length > 0 && { ManualServerAddresses: request.externalAddresses }),
      ServerAddresses: [this.#options.serverAddress()],
      ServerName: this.serverName,
      PeerID: peering.id,
      EstablishmentSecret: establishmentSecret,
      Remote: { Partition: 'default', Datacenter: datacenter },
    };
    return { token: serializePeeringToken(token) };
  }

  /** Begins to dial with another cluster's token. Throws `SimulatedMeshError` `peering-token`. */
  establish(request: {
    readonly name: string;
    readonly token: string;
    readonly meta: Readonly<Record<string, string>>;
  }): undefined | PeeringRefusal {
    const { state } = this.#options;
    const token = parsePeeringToken(request.token);
    // A cluster that dialed itself would import its own roots as a peer's.
    if (!isPeeringName(request.name) || token.ServerName === this.serverName) return 'invalid';
    const held = state.peering(request.name);
    if (held?.state === 'DELETING') return 'being-deleted';
    if (held && !held.dial) return 'invalid';
    const peering = state.putPeering({
      id: held?.id ?? randomUUID(),
      name: request.name,
      meta: request.meta,
      state: 'ESTABLISHING',
      remoteId: token.PeerID,
      dial: { caPems: token.CA, serverName: token.ServerName, addresses: token.ServerAddresses },
      establishmentSecret: token.EstablishmentSecret,
      ...(token.Remote && {
        remote: { partition: token.Remote.Partition, datacenter: token.Remote.Datacenter },
      }),
    });
    this.#options.onDial(peering);
    return undefined;
  }

  /** Exchanges an establishment secret, which is used up, for a stream secret. */
  exchangeSecret(peerId: string, secret: string): { readonly streamSecret: string } | PeeringRefusal {
    const { state } = this.#options;
    const peering = state.peeringById(peerId);
    if (!peering || peering.dial) return 'unknown-peering';
    if (!peering.establishmentSecret || peering.establishmentSecret !== secret) return 'wrong-secret';
    const { establishmentSecret: _, ...rest } = peering;
    const streamSecret = randomUUID();
    state.putPeering({ ...rest, state: 'ESTABLISHING', pendingStreamSecret: streamSecret });
    return { streamSecret };
  }

  /** The session of a stream that a peer opens to us. */
  accept(
    open: NonNullable<ReplicationMessage['open']>,
    wire: { readonly send: (message: ReplicationMessage) => void; readonly end: (reason?: string) => void },
  ): PeerStreamSession | PeeringRefusal {
    const peering = this.#options.state.peeringById(open.peer_id);
    if (!peering || peering.dial) return 'unknown-peering';
    if (peering.state === 'DELETING' || peering.state === 'TERMINATED') return 'being-deleted';
    const { pendingStreamSecret, streamSecret, ...rest } = peering;
    const secret = open.stream_secret_id;
    const known = secret !== '' && (secret === pendingStreamSecret || secret === streamSecret);
    if (!known) return 'wrong-secret';
    // The first stream under a pending secret makes it the only one; until then the one before it
    // still holds.
    const pending =
      secret === pendingStreamSecret || pendingStreamSecret === undefined ? {} : { pendingStreamSecret };
    return this.#begin(
      { ...rest, ...pending, streamSecret: secret, ...defined({ remote: open.remote }) },
      'acceptor',
      wire,
    );
  }

  /** The session of a stream that we opened to a peer. */
  dialed(
    peering: Peering,
    wire: { readonly send: (message: ReplicationMessage) => void; readonly end: (reason?: string) => void },
  ): PeerStreamSession {
    return this.#begin(peering, 'dialer', wire);
  }

  /** Notes that the stream of a session has ended. */
  lost(name: string, session: PeerStreamSession): void {
    session.closed();
    if (this.#sessions.get(name) !== session) return;
    this.#sessions.delete(name);
    const peering = this.#options.state.peering(name);
    if (peering?.state === 'ACTIVE') this.#options.state.putPeering({ ...peering, state: 'FAILING' });
  }

  /**
   * Ends a peering: imported roots are removed at once, the peer is notified, and the row is
   * removed a moment later.
   */
  delete(name: string): void {
    const { state, clock, signal, log } = this.#options;
    const peering = state.peering(name);
    if (!peering || peering.state === 'DELETING') return;
    const { trustBundle: _, imports: _i, ...rest } = peering;
    state.putPeering({ ...rest, state: 'DELETING' });
    this.#sessions.get(name)?.terminate();
    this.#sessions.delete(name);
    this.#options.onTrustChanged();
    log.info('peering deleted', { peering: name });
    const deletion = pause(clock, DELETION_DELAY_MS, signal).then((isDue) => {
      // Where it was stopped meanwhile, `resume` finishes it after the next start.
      if (isDue) state.deletePeering(name);
    });
    this.#deletions.add(deletion);
    void deletion.finally(() => this.#deletions.delete(deletion));
  }

  /**
   * After a start: finishes deletions that were under way, dials what we dial, and waits for the
   * others.
   */
  resume(): void {
    const { state } = this.#options;
    for (const peering of state.peerings()) {
      if (peering.state === 'DELETING') state.deletePeering(peering.name);
      else if (peering.state === 'ACTIVE') state.putPeering({ ...peering, state: 'FAILING' });
      if (peering.dial && peering.state !== 'DELETING' && peering.state !== 'TERMINATED')
        this.#options.onDial(peering);
    }
  }

  /** Sends the own roots to every peer that subscribed them. */
  rootsChanged(): void {
    for (const session of this.#sessions.values()) session.changed(PEERING_TRUST_BUNDLE_URL);
  }

  /** Sends the list of exported services to every peer for which it changed. */
  exportsChanged(): void {
    for (const session of this.#sessions.values()) session.changed(EXPORTED_SERVICE_LIST_URL);
  }

  /** The name under which the peering with this ID is kept. */
  nameOf(peerId: string): string | undefined {
    return this.#options.state.peeringById(peerId)?.name;
  }

  /** The open stream of a peering. */
  sessionOf(name: string): PeerStreamSession | undefined {
    return this.#sessions.get(name);
  }

  /** Resolves when no deletion is under way any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#deletions);
  }

  #begin(
    peering: Omit<Peering, 'createIndex' | 'modifyIndex'>,
    role: 'acceptor' | 'dialer',
    wire: { readonly send: (message: ReplicationMessage) => void; readonly end: (reason?: string) => void },
  ): PeerStreamSession {
    const { state, clock } = this.#options;
    const { name } = peering;
    state.putPeering({ ...peering, state: 'ACTIVE' });
    const log = this.#options.log.with({ peering: name });
    const session = new PeerStreamSession({
      ...wire,
      role,
      remoteId: peering.remoteId ?? '',
      resources: (resourceUrl) => peerResources(resourceUrl, name, this.#options),
      onTrustBundle: (bundle) => this.#import(name, bundle, log),
      onServerAddresses: (value) => this.#updateAddresses(name, value),
      onService: (service, { nodes }) => this.#importService(name, { name: service, nodes }),
      onServiceList: (services) => this.#keepServices(name, services),
      onTerminated: () => this.#terminated(name),
      clock,
      log,
    });
    this.#sessions.get(name)?.close('another stream of this peering was opened');
    this.#sessions.set(name, session);
    log.info('peering stream open', { role });
    return session;
  }

  /**
   * As in the product, a peer's claimed trust domain is accepted as it is, the own one included.
   */
  #import(name: string, bundle: PeeringTrustBundle, log: Log): void {
    if (bundle.root_pems.length > MAX_ROOTS) throw new RangeError(`a bundle has at most ${MAX_ROOTS} roots`);
    this.#options.state.putTrustBundle(name, {
      trustDomain: bundle.trust_domain,
      rootPems: bundle.root_pems,
    });
    log.info('trust bundle imported', {
      peerTrustDomain: bundle.trust_domain,
      roots: bundle.root_pems.length,
    });
    this.#options.onTrustChanged();
  }

  #importService(name: string, service: ImportedService): void {
    const others = this.#importsOf(name).filter((each) => each.name !== service.name);
    if (others.length >= MAX_IMPORTS) throw new RangeError(`a peer has at most ${MAX_IMPORTS} services`);
    const all = service.nodes.length > 0 ? [...others, service] : others;
    this.#options.state.putImports(
      name,
      all.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    );
    this.#options.onServicesChanged();
  }

  /** Drops every service that is not on the list. */
  #keepServices(name: string, services: readonly string[]): void {
    const kept = new Set(services.flatMap((service) => [service, `${service}-sidecar-proxy`]));
    this.#options.state.putImports(
      name,
      this.#importsOf(name).filter((each) => kept.has(each.name)),
    );
    this.#options.onServicesChanged();
  }

  #importsOf(name: string): readonly ImportedService[] {
    return this.#options.state.peering(name)?.imports ?? [];
  }

  #updateAddresses(name: string, value: Buffer): void {
    const { addresses } = peeringServerAddressesMessage.decode(value);
    const peering = this.#options.state.peering(name);
    if (!peering?.dial || addresses.length === 0 || addresses.join() === peering.dial.addresses.join())
      return;
    this.#options.state.putPeering({ ...peering, dial: { ...peering.dial, addresses } });
  }

  #terminated(name: string): void {
    this.#sessions.delete(name);
    const peering = this.#options.state.peering(name);
    if (!peering || peering.state === 'DELETING') return;
    const {
      trustBundle: _,
      imports: _i,
      establishmentSecret: _e,
      pendingStreamSecret: _p,
      streamSecret: _s,
      ...rest
    } = peering;
    this.#options.state.putPeering({ ...rest, state: 'TERMINATED' });
    this.#options.log.info('peering terminated by the peer', { peering: name });
    this.#options.onTrustChanged();
  }
}

function isPeeringName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}
