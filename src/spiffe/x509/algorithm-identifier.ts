import { type DerReader, Tag } from '../base/der.ts';

/**
 * An AlgorithmIdentifier: the object identifier and the parameters' DER, absent where there are
 * none.
 */
export interface AlgorithmIdentifier {
  readonly oid: string;
  readonly parameters?: Uint8Array;
}

/** Reads an AlgorithmIdentifier. Throws `DerError`. */
export function readAlgorithm(reader: DerReader): AlgorithmIdentifier {
  const sequence = reader.enter(Tag.sequence);
  const oid = sequence.objectIdentifier();
  if (sequence.done) return { oid };
  const parameters = sequence.element();
  sequence.end();
  return { oid, parameters };
}
