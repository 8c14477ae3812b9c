import type { SpiffeId, TrustDomain } from '../../spiffe/index.ts';
import type { Caller } from '../access/caller.ts';
import type { EndpointAddress } from '../service/endpoint-address.ts';
import type { ServiceId, ServicePort } from '../service/service.ts';

/** A gateway of the owner that passes TLS on by SNI. */
export interface CatalogueGateway extends EndpointAddress {
  /** A DNS label, unique in the catalogue. */
  readonly id: string;
  /** 0 is used first; a higher number only when those before it fail. */
  readonly priority: number;
}

/** An address at the workload itself, of use only in the named network. */
export interface DirectAddress extends EndpointAddress {
  /** The opaque ID that both operators gave the network. */
  readonly network: string;
}

export interface OfferedPort extends ServicePort {
  /** The name by which the owner's gateway routes: a legal host name in lower case, unique at the owner. */
  readonly sni: string;
  /** IDs of gateways of the catalogue; at least one. */
  readonly gateways: readonly string[];
  readonly direct: readonly DirectAddress[];
}

/** How the owner sees its service: `draining` ends soon, `down` has no healthy instance. */
export type OfferState = 'serving' | 'draining' | 'down';

/** One service that its owner exports to us. */
export interface OfferedService {
  readonly id: ServiceId;
  /** The SPIFFE ID of every instance, all of the owner's trust domain; at least one. */
  readonly spiffeIds: readonly SpiffeId[];
  readonly ports: readonly OfferedPort[];
  /** The callers of the audience's trust domain that the owner's policy lets in, on some port. */
  readonly mayCall: readonly Caller[];
  readonly state: OfferState;
}

/** What a catalogue offers, without number and times. */
export interface CatalogueContent {
  readonly gateways: readonly CatalogueGateway[];
  readonly services: readonly OfferedService[];
}

/** The signed list of what one trust domain exports to another. */
export interface Catalogue extends CatalogueContent {
  /** The owner. */
  readonly trustDomain: TrustDomain;
  readonly audience: TrustDomain;
  /** Counts per audience, and never backwards. */
  readonly sequence: number;
  readonly issuedAt: Date;
  /** Until then the list may be used without a newer one. */
  readonly expiresAt: Date;
  /** Seconds until the next poll. */
  readonly refreshHint: number;
}
