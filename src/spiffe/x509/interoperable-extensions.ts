import { CONSTRUCTED, CONTEXT, DerReader, Tag } from '../base/der.ts';
import { nameProblem } from './interoperable-name.ts';
import { isShortOid } from './short-oid.ts';

const MAX_PATH_LENGTH = 2 ** 31 - 1;

const DIRECTORY = CONTEXT | CONSTRUCTED | 4;
const URI = CONTEXT | 6;
const TEXT_NAMES: readonly number[] = [CONTEXT | 1, CONTEXT | 2, URI];
const IP = CONTEXT | 7;

/**
 * Why other verifiers cannot read the extensions of a CA certificate, or undefined where they all
 * can. `explicit` is the content of the `[3]` element. Our own reader has already accepted them.
 * Throws `DerError` for a malformed part.
 */
export function extensionsProblem(explicit: DerReader): string | undefined {
  const sequence = explicit.enter(Tag.sequence);
  while (!sequence.done) {
    const extension = sequence.enter(Tag.sequence);
    const oid = extension.objectIdentifier();
    if (!isShortOid(oid)) return `extension ${oid} has a number that Go cannot hold`;
    const critical = extension.nextTag === Tag.boolean && extension.boolean();
    const problem = valueProblem(oid, critical, new DerReader(extension.content(Tag.octetString)));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * Processed by every verifier. A root with any other critical extension proves nothing here or
 * elsewhere.
 */
const PROCESSED: ReadonlySet<string> = new Set([
  '2.5.29.15',
  '2.5.29.17',
  '2.5.29.19',
  '2.5.29.30',
  '2.5.29.32',
  '2.5.29.33',
  '2.5.29.36',
  '2.5.29.37',
  '2.5.29.54',
]);

function valueProblem(oid: string, critical: boolean, value: DerReader): string | undefined {
  if (critical && !PROCESSED.has(oid))
    return `extension ${oid} is critical, which not every verifier accepts`;
  switch (oid) {
    case '2.5.29.14':
      return value.content(Tag.octetString).length === 0 ? 'its subject key identifier is empty' : undefined;
    case '2.5.29.15':
      return [...value.namedBits()].some((bit) => bit > 8)
        ? 'its key usage sets a bit that has no meaning'
        : undefined;
    case '2.5.29.17':
      return namesProblem(value.enter(Tag.sequence), 'subject alternative name');
    case '2.5.29.19':
      return basicConstraintsProblem(value);
    case '2.5.29.30':
      return nameConstraintsProblem(value);
    case '2.5.29.31':
      return distributionPointsProblem(value);
    case '2.5.29.35':
      return authorityKeyIdProblem(value);
    case '2.5.29.32':
      return policiesProblem(value);
    case '2.5.29.33':
      return policyMappingsProblem(value);
    case '2.5.29.37':
      return purposesProblem(value);
    case '1.3.6.1.5.5.7.1.1':
      return accessProblem(value);
    default:
      return undefined;
  }
}

function basicConstraintsProblem(value: DerReader): string | undefined {
  const sequence = value.enter(Tag.sequence);
  if (sequence.nextTag === Tag.boolean && !sequence.boolean())
    return 'its basic constraints state a default value, which DER leaves out';
  if (sequence.nextTag !== Tag.integer) return undefined;
  return sequence.smallInteger(0xffff_ffff) > MAX_PATH_LENGTH
    ? 'its path length has more than 31 bits'
    : undefined;
}

function authorityKeyIdProblem(value: DerReader): string | undefined {
  const sequence = value.enter(Tag.sequence);
  if (sequence.nextTag === CONTEXT) sequence.content(CONTEXT);
  if (sequence.done) return undefined;
  if (sequence.nextTag !== (CONTEXT | CONSTRUCTED | 1))
    return 'its authority key identifier has a serial number without an issuer';
  const problem = namesProblem(sequence.enter(CONTEXT | CONSTRUCTED | 1), 'authority key identifier');
  if (problem !== undefined) return problem;
  return sequence.nextTag === (CONTEXT | 2)
    ? undefined
    : 'its authority key identifier has an issuer without a serial number';
}

function purposesProblem(value: DerReader): string | undefined {
  const sequence = value.enter(Tag.sequence);
  while (!sequence.done) {
    const oid = sequence.objectIdentifier();
    if (!isShortOid(oid)) return `its extended key usage ${oid} has a number that Go cannot hold`;
  }
  return undefined;
}

function policiesProblem(value: DerReader): string | undefined {
  const sequence = value.enter(Tag.sequence);
  while (!sequence.done) {
    const information = sequence.enter(Tag.sequence);
    const oid = information.objectIdentifier();
    if (!isShortOid(oid)) return `its certificate policy ${oid} has a number that Go cannot hold`;
    if (information.done) continue;
    const qualifiers = information.enter(Tag.sequence);
    if (qualifiers.done) return 'its certificate policies have an empty list of qualifiers';
    while (!qualifiers.done) {
      const qualifier = qualifiers.enter(Tag.sequence);
      qualifier.objectIdentifier();
      qualifier.element();
      qualifier.end();
    }
  }
  return undefined;
}

function policyMappingsProblem(value: DerReader): string | undefined {
  const sequence = value.enter(Tag.sequence);
  while (!sequence.done) {
    const pair = sequence.enter(Tag.sequence);
    const oids = [pair.objectIdentifier(), pair.objectIdentifier()];
    if (!oids.every(isShortOid)) return 'its policy mappings have a number that Go cannot hold';
  }
  return undefined;
}

/**
 * Checks GeneralNames as Go reads them: text in ASCII, URIs that it can parse, addresses of four or
 * sixteen bytes.
 */
function namesProblem(names: DerReader, where: string): string | undefined {
  if (names.done) return `its ${where} is empty`;
  while (!names.done) {
    const problem = generalNameProblem(names, where);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function generalNameProblem(names: DerReader, where: string): string | undefined {
  const tag = names.nextTag;
  if (tag === DIRECTORY) {
    const directory = names.enter(tag);
    const problem = nameProblem(directory.element(Tag.sequence));
    directory.end();
    return problem === undefined ? undefined : `a directory name in its ${where} ${problem}`;
  }
  if (tag === (CONTEXT | 8)) {
    return isShortOid(names.objectIdentifier(tag))
      ? undefined
      : `its ${where} has a number that Go cannot hold`;
  }
  const content = names.content(tag);
  const text = Buffer.from(content).toString('latin1');
  if (TEXT_NAMES.includes(tag)) {
    if (!/^[!-~]+$/.test(text)) return `its ${where} has a text that is not printable ASCII`;
    if (tag === URI && !isPlainUri(text)) return `its ${where} has a URI that not every verifier can parse`;
    return undefined;
  }
  if (tag === IP && content.length !== 4 && content.length !== 16)
    return `its ${where} has an address of ${content.length} bytes`;
  // Verifiers disagree about the content of the other forms (otherName, x400Address, ediPartyName).
  return tag === IP ? undefined : `its ${where} has a name of a form that not every verifier reads`;
}

const URI_CHARACTERS = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/;

/**
 * Whether Go, Java and we parse a URI alike: a scheme, then a host of letters, digits, hyphens and
 * dots, or no host.
 */
function isPlainUri(text: string): boolean {
  const [, authority, rest = ''] = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/([^/?#]*))?(.*)$/.exec(text) ?? [];
  if (!/^[A-Za-z]/.test(text) || !text.includes(':')) return false;
  if (!URI_CHARACTERS.test(rest)) return false;
  if (authority === undefined) return rest !== '' && !rest.startsWith('/');
  return /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?::[0-9]{1,5})?$/.test(authority);
}

function distributionPointsProblem(value: DerReader): string | undefined {
  const points = value.enter(Tag.sequence);
  value.end();
  if (points.done) return 'its CRL distribution points are empty';
  while (!points.done) {
    const point = points.enter(Tag.sequence);
    const name = point.enterOptional(CONTEXT | CONSTRUCTED | 0);
    if (name) {
      const problem = distributionPointNameProblem(name);
      if (problem !== undefined) return problem;
    }
    if (point.nextTag === (CONTEXT | 1)) point.namedBits(CONTEXT | 1);
    const issuer = point.enterOptional(CONTEXT | CONSTRUCTED | 2);
    const problem = issuer && namesProblem(issuer, 'CRL distribution point');
    if (problem !== undefined) return problem;
    point.end();
    if (!name && !issuer) return 'its CRL distribution points have one without a name';
  }
  return undefined;
}

function distributionPointNameProblem(name: DerReader): string | undefined {
  const full = name.enterOptional(CONTEXT | CONSTRUCTED | 0);
  if (!full) return 'its CRL distribution point has a name that Go cannot read';
  name.end();
  return namesProblem(full, 'CRL distribution point');
}

function accessProblem(value: DerReader): string | undefined {
  const descriptions = value.enter(Tag.sequence);
  value.end();
  if (descriptions.done) return 'its authority information access is empty';
  while (!descriptions.done) {
    const description = descriptions.enter(Tag.sequence);
    if (!isShortOid(description.objectIdentifier()))
      return 'its authority information access has a number that Go cannot hold';
    const problem = generalNameProblem(description, 'authority information access');
    if (problem !== undefined) return problem;
    description.end();
  }
  return undefined;
}

function nameConstraintsProblem(value: DerReader): string | undefined {
  const sequence = value.enter(Tag.sequence);
  for (const tag of [CONTEXT | CONSTRUCTED | 0, CONTEXT | CONSTRUCTED | 1]) {
    const subtrees = sequence.enterOptional(tag);
    while (subtrees && !subtrees.done) {
      const subtree = subtrees.enter(Tag.sequence);
      const problem = constraintProblem(subtree);
      if (problem !== undefined) return problem;
      if (!subtree.done) return 'its name constraints state a minimum or maximum';
    }
  }
  return undefined;
}

/** Java accepts letters, digits and inner hyphens only. */
const HOST =
  /^\.?(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

function constraintProblem(subtree: DerReader): string | undefined {
  const tag = subtree.nextTag;
  if (tag === DIRECTORY) {
    const directory = subtree.enter(tag);
    const problem = nameProblem(directory.element(Tag.sequence));
    return problem === undefined ? undefined : `a directory name in its name constraints ${problem}`;
  }
  const content = subtree.content(tag);
  if (tag === IP)
    return isAddressRange(content) ? undefined : 'its name constraints have an invalid address range';
  if (!TEXT_NAMES.includes(tag))
    return 'its name constraints have a name of a form that not every verifier reads';
  const text = Buffer.from(content).toString('latin1');
  const [, host = text] =
    tag === (CONTEXT | 1) ? (/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@([^@]+)$/.exec(text) ?? []) : [];
  return HOST.test(host) && !/(?:^|\.)[0-9]+$/.test(host)
    ? undefined
    : `its name constraints have ${JSON.stringify(text.slice(0, 60))}, which is not a host name`;
}

function isAddressRange(content: Uint8Array): boolean {
  if (content.length !== 8 && content.length !== 32) return false;
  const bits = [...content.subarray(content.length / 2)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits);
}
