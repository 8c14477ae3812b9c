import { CodedError } from '../../errors/index.ts';

export type CatalogueErrorCode =
  /** The claims do not have the form of a catalogue, or one of their values is not legal. */
  | 'catalogue-malformed'
  /** More bytes, services, ports, identities, gateways, addresses or callers than allowed. */
  | 'catalogue-too-large'
  /** It speaks for another trust domain than that of its owner. */
  | 'catalogue-foreign-identity'
  /** A gateway or a direct address is at a place that no peer may send our proxies to. */
  | 'catalogue-forbidden-address'
  /** An SNI is not a legal host name, or it is a name of local networks. */
  | 'catalogue-sni-invalid'
  /** An SNI is one of ours, or one of another peer. */
  | 'catalogue-sni-taken'
  /** The same ID, name, port, SNI or identity is listed twice. */
  | 'catalogue-duplicate'
  /** Its sequence is lower than the held one, or has other content under the same number. */
  | 'catalogue-replayed'
  /** It is for another trust domain. */
  | 'catalogue-other-audience'
  /** Its time is over. */
  | 'catalogue-expired'
  /** Not the agent of the relationship signed it, or the signature does not hold. */
  | 'catalogue-signer'
  /** The owner changes its list too often. */
  | 'catalogue-flapping';

/** A catalogue is refused. */
export class CatalogueError extends CodedError<CatalogueErrorCode> {}
