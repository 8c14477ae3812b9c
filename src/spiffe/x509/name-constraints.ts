import { defined } from '../../objects/index.ts';
import { CONSTRUCTED, CONTEXT, DerError, type DerReader, Tag } from '../base/der.ts';
import {
  type DistinguishedName,
  EMAIL_ADDRESS_ATTRIBUTE,
  parseDistinguishedName,
  relativeNameKeys,
} from './distinguished-name.ts';
import { type GeneralName, type GeneralNameKind, readGeneralName } from './general-name.ts';

/**
 * One subtree of names. A subtree that cannot be processed matches nothing and refuses every name
 * of its kind.
 */
export interface NameSubtree {
  readonly kind: GeneralNameKind;
  /** Absent where the form, its content or its bounds cannot be processed (RFC 5280 §4.2.1.10). */
  readonly matches?: (name: ConstrainedName) => boolean;
  /** For a DNS name, the name in lower case. */
  readonly host?: string;
}

/** The name constraints of one CA certificate (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly NameSubtree[];
  readonly excluded: readonly NameSubtree[];
}

/**
 * One name of a certificate in the form that subtrees compare. Undefined parts could not be read.
 */
export interface ConstrainedName {
  readonly kind: GeneralNameKind;
  /** The text for a refusal. */
  readonly shown: string;
  readonly host?: string;
  readonly mailbox?: { readonly local: string; readonly host: string };
  readonly address?: Uint8Array;
  readonly relativeNames?: readonly string[];
}

export type NameVerdict =
  | { readonly kind: 'within' }
  | { readonly kind: 'outside'; readonly name: ConstrainedName }
  | { readonly kind: 'unprocessable'; readonly name: ConstrainedName };

const WITHIN: NameVerdict = { kind: 'within' };
const LABELS = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;
const LOCAL_PART = /^(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+|"(?:[^"\\]|\\.)*")$/;

/** Reads a NameConstraints value. Throws `DerError`. */
export function readNameConstraints(reader: DerReader): NameConstraints {
  const sequence = reader.enter(Tag.sequence);
  if (sequence.done) throw new DerError('a name constraints extension is not empty');
  const permitted = readSubtrees(sequence.enterOptional(CONTEXT | CONSTRUCTED | 0));
  const excluded = readSubtrees(sequence.enterOptional(CONTEXT | CONSTRUCTED | 1));
  sequence.end();
  return { permitted, excluded };
}

/**
 * Whether every name is within the constraints: in no excluded subtree of its kind and, where its
 * kind has permitted ones, in one of those. `count` is called once for each comparison, and may
 * throw to end the work (X509-37).
 */
export function judgeNames(
  constraints: NameConstraints,
  names: readonly ConstrainedName[],
  count: () => void,
): NameVerdict {
  for (const name of names) {
    for (const subtree of constraints.excluded) {
      count();
      if (subtree.kind !== name.kind) continue;
      if (!subtree.matches || !isReadable(name)) return { kind: 'unprocessable', name };
      if (subtree.matches(name) || coversExcluded(subtree, name)) return { kind: 'outside', name };
    }
    let permitted: boolean | undefined;
    for (const subtree of constraints.permitted) {
      count();
      if (subtree.kind !== name.kind) continue;
      if (!subtree.matches || !isReadable(name)) return { kind: 'unprocessable', name };
      permitted = permitted || subtree.matches(name);
    }
    if (permitted === false) return { kind: 'outside', name };
  }
  return WITHIN;
}

/**
 * The names of a certificate that constraints bind: its subject if there is one, and its
 * alternative names.
 */
export function constrainedNamesOf(
  subject: DistinguishedName,
  altNames: readonly GeneralName[] | undefined,
): ConstrainedName[] {
  const names = (altNames ?? []).map(readConstrainedName);
  if (subject.length > 0) {
    names.push({ kind: 'directory', shown: 'the subject', relativeNames: relativeNameKeys(subject) });
  }
  // RFC 5280 §4.2.1.10: e-mail constraints bind addresses in the subject only where there are no
  // alternative names.
  if (!altNames) {
    for (const attribute of subject.flat()) {
      if (attribute.type !== EMAIL_ADDRESS_ATTRIBUTE) continue;
      names.push(emailName(attribute.text ?? ''));
    }
  }
  return names;
}

/** Whether a wildcard DNS name covers an excluded name: `*.b.example` for `a.b.example`. */
function coversExcluded({ host: excluded }: NameSubtree, { host = '' }: ConstrainedName): boolean {
  return host.startsWith('*.') && host.slice(2) === excluded?.replace(/^[^.]*\.?/, '');
}

function isReadable(name: ConstrainedName): boolean {
  return (
    name.host !== undefined ||
    name.mailbox !== undefined ||
    name.address !== undefined ||
    name.relativeNames !== undefined
  );
}

function readSubtrees(sequence: DerReader | undefined): NameSubtree[] {
  if (!sequence) return [];
  const subtrees: NameSubtree[] = [];
  do {
    const subtree = sequence.enter(Tag.sequence);
    const base = readGeneralName(subtree);
    let bounded = false;
    if (subtree.nextTag === CONTEXT) bounded = subtree.smallInteger(0xffff_ffff, CONTEXT) !== 0;
    if (subtree.nextTag === (CONTEXT | 1)) {
      subtree.smallInteger(0xffff_ffff, CONTEXT | 1);
      bounded = true;
    }
    subtree.end();
    const matches = bounded ? undefined : subtreeMatcher(base);
    subtrees.push({
      kind: base.kind,
      ...defined({ matches }),
      ...(base.kind === 'dns' && base.text ? { host: base.text.toLowerCase() } : {}),
    });
  } while (!sequence.done);
  return subtrees;
}

function subtreeMatcher(base: GeneralName): ((name: ConstrainedName) => boolean) | undefined {
  switch (base.kind) {
    case 'dns':
      return base.text === undefined ? undefined : dnsMatcher(base.text.toLowerCase());
    case 'uri':
      return base.text === undefined ? undefined : hostMatcher(base.text.toLowerCase(), (name) => name.host);
    case 'email':
      return base.text === undefined ? undefined : emailMatcher(base.text);
    case 'ip':
      return addressMatcher(base.bytes);
    case 'directory': {
      const prefix = relativeNameKeys(parseDistinguishedName(base.bytes));
      return ({ relativeNames }) => prefix.every((key, index) => key === relativeNames?.[index]);
    }
    case 'otherName':
    case 'x400':
    case 'ediParty':
    case 'registeredId':
      return undefined;
    default:
      return base.kind satisfies never;
  }
}

function dnsMatcher(base: string): ((name: ConstrainedName) => boolean) | undefined {
  if (base === '') return () => true;
  if (!LABELS.test(base)) return undefined;
  return ({ host = '' }) => host === base || host.endsWith(`.${base}`);
}

/**
 * A plain name matches that host only, a leading dot matches what is below it and not itself
 * (X509-31).
 */
function hostMatcher(
  base: string,
  hostOf: (name: ConstrainedName) => string | undefined,
): ((name: ConstrainedName) => boolean) | undefined {
  if (base.startsWith('.')) {
    return LABELS.test(base.slice(1)) ? (name) => hostOf(name)?.endsWith(base) ?? false : undefined;
  }
  return LABELS.test(base) ? (name) => hostOf(name) === base : undefined;
}

function emailMatcher(base: string): ((name: ConstrainedName) => boolean) | undefined {
  if (!base.includes('@')) return hostMatcher(base.toLowerCase(), (name) => name.mailbox?.host);
  const wanted = readMailbox(base);
  return wanted && (({ mailbox }) => mailbox?.local === wanted.local && mailbox.host === wanted.host);
}

/**
 * A mailbox (RFC 5321 §4.1.2); its local part keeps its case, and holds an at sign only between
 * quotes.
 */
function readMailbox(text: string): { local: string; host: string } | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  const host = text.slice(at + 1).toLowerCase();
  if (at < 0 || !LABELS.test(host)) return undefined;
  return LOCAL_PART.test(local) ? { local, host } : undefined;
}

function addressMatcher(base: Uint8Array): ((name: ConstrainedName) => boolean) | undefined {
  if (base.length !== 8 && base.length !== 32) return undefined;
  const size = base.length / 2;
  const mask = base.subarray(size);
  const bits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  if (!/^1*0*$/.test(bits)) return undefined;
  return ({ address }) =>
    address?.length === size &&
    address.every((byte, index) => ((byte ^ (base[index] ?? 0)) & (mask[index] ?? 0)) === 0);
}

function readConstrainedName(name: GeneralName): ConstrainedName {
  const { kind, text } = name;
  const shown =
    text === undefined ? `a name of kind ${kind}` : `${kind} ${JSON.stringify(text.slice(0, 200))}`;
  switch (kind) {
    case 'dns': {
      const host = text?.toLowerCase();
      const readable = host !== undefined && LABELS.test(host.startsWith('*.') ? host.slice(2) : host);
      return readable ? { kind, shown, host } : { kind, shown };
    }
    case 'uri': {
      const host = text === undefined ? undefined : uriHost(text);
      return host === undefined ? { kind, shown } : { kind, shown, host };
    }
    case 'email':
      return emailName(text ?? '');
    case 'ip':
      return name.bytes.length === 4 || name.bytes.length === 16
        ? { kind, shown, address: name.bytes }
        : { kind, shown };
    case 'directory':
      return { kind, shown, relativeNames: relativeNameKeys(parseDistinguishedName(name.bytes)) };
    case 'otherName':
    case 'x400':
    case 'ediParty':
    case 'registeredId':
      return { kind, shown };
    default:
      return kind satisfies never;
  }
}

function emailName(text: string): ConstrainedName {
  const shown = `email ${JSON.stringify(text.slice(0, 200))}`;
  const mailbox = readMailbox(text);
  return mailbox ? { kind: 'email', shown, mailbox } : { kind: 'email', shown };
}

/**
 * The host of a URI if it is a fully qualified name: not missing, no IP address, more than one
 * label (X509-32).
 */
function uriHost(text: string): string | undefined {
  const authority = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(text)?.[1];
  if (authority === undefined) return undefined;
  const host = authority
    .slice(authority.lastIndexOf('@') + 1)
    .replace(/:[0-9]*$/, '')
    .toLowerCase();
  if (!LABELS.test(host) || !host.includes('.') || /\.[0-9]+$/.test(host)) return undefined;
  return host;
}
