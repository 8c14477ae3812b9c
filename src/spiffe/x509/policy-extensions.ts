import { defined } from '../../objects/index.ts';
import { CONTEXT, DerError, type DerReader, Tag } from '../base/der.ts';

/**
 * The certificate policies in a certificate (RFC 5280 §4.2.1.4, §4.2.1.5, §4.2.1.11, §4.2.1.14).
 */
export interface PolicyExtensions {
  /** The policies asserted, by object identifier. */
  readonly policies?: ReadonlySet<string>;
  /** Pairs of issuer domain policy and subject domain policy. */
  readonly mappings?: readonly (readonly [string, string])[];
  readonly requireExplicitPolicy?: number;
  readonly inhibitPolicyMapping?: number;
  readonly inhibitAnyPolicy?: number;
  /** Whether a policy has a qualifier that is neither a CPS pointer nor a user notice. */
  readonly unknownQualifier?: true;
}

export const ANY_POLICY = '2.5.29.32.0';

const MAX_POLICIES = 100;
const MAX_SKIP = 0xffff_ffff;

/**
 * Adds the policy extension `oid` to `before`; undefined if `oid` is not one. Throws `DerError`.
 */
export function readPolicyExtension(
  before: PolicyExtensions | undefined,
  oid: string,
  reader: DerReader,
): PolicyExtensions | undefined {
  switch (oid) {
    case '2.5.29.32':
      return { ...before, ...readPolicies(reader) };
    case '2.5.29.33':
      return { ...before, mappings: readMappings(reader) };
    case '2.5.29.36':
      return { ...before, ...readConstraints(reader) };
    case '2.5.29.54':
      return { ...before, inhibitAnyPolicy: reader.smallInteger(MAX_SKIP) };
    default:
      return undefined;
  }
}

/** RFC 5280 §4.2.1.4 defines two kinds of qualifiers. */
const QUALIFIERS: ReadonlySet<string> = new Set(['1.3.6.1.5.5.7.2.1', '1.3.6.1.5.5.7.2.2']);

function readPolicies(reader: DerReader): Pick<PolicyExtensions, 'policies' | 'unknownQualifier'> {
  const sequence = reader.enter(Tag.sequence);
  const policies = new Set<string>();
  let unknown = false;
  do {
    const information = sequence.enter(Tag.sequence);
    const policy = information.objectIdentifier();
    if (policies.has(policy)) throw new DerError(`certificate policy ${policy} occurs twice`);
    policies.add(policy);
    if (policies.size > MAX_POLICIES)
      throw new DerError(`a certificate has at most ${MAX_POLICIES} policies`);
    // Qualifiers are for display: RFC 5280 §6.1 gives them no part in accepting a path.
    if (!information.done && !readQualifiers(information.enter(Tag.sequence))) unknown = true;
    information.end();
  } while (!sequence.done);
  return { policies, ...(unknown ? { unknownQualifier: true } : {}) };
}

/** Whether all qualifiers are of a kind that we know. */
function readQualifiers(qualifiers: DerReader): boolean {
  let known = true;
  while (!qualifiers.done) {
    const qualifier = qualifiers.enter(Tag.sequence);
    known = QUALIFIERS.has(qualifier.objectIdentifier()) && known;
    if (!qualifier.done) qualifier.element();
    qualifier.end();
  }
  return known;
}

function readMappings(reader: DerReader): [string, string][] {
  const sequence = reader.enter(Tag.sequence);
  const mappings: [string, string][] = [];
  do {
    const pair = sequence.enter(Tag.sequence);
    mappings.push([pair.objectIdentifier(), pair.objectIdentifier()]);
    pair.end();
    if (mappings.length > MAX_POLICIES)
      throw new DerError(`a certificate has at most ${MAX_POLICIES} policy mappings`);
  } while (!sequence.done);
  return mappings;
}

function readConstraints(reader: DerReader): PolicyExtensions {
  const sequence = reader.enter(Tag.sequence);
  if (sequence.done) throw new DerError('a policy constraints extension is not empty');
  const requireExplicitPolicy =
    sequence.nextTag === CONTEXT ? sequence.smallInteger(MAX_SKIP, CONTEXT) : undefined;
  const inhibitPolicyMapping =
    sequence.nextTag === (CONTEXT | 1) ? sequence.smallInteger(MAX_SKIP, CONTEXT | 1) : undefined;
  sequence.end();
  return {
    ...defined({ requireExplicitPolicy, inhibitPolicyMapping }),
  };
}
