import { type KeyObject, sign } from 'node:crypto';
import {
  generateKeyPair,
  type IssueRequest,
  issueCertificate,
  type KeyKind,
  type KeyPair,
  verifyX509Path,
  X509PathError,
  type PathInput,
} from '../../src/spiffe/index.ts';
import { CONSTRUCTED, CONTEXT, DerReader, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';

/** A certificate and its private key. */
export interface Made extends KeyPair {
  readonly der: Uint8Array;
}

export type MakeOptions = Partial<Omit<IssueRequest, 'issuer'>> & {
  readonly keyKind?: KeyKind;
  readonly keys?: KeyPair;
};

/** A CA certificate, self-signed without an issuer. Valid at `TEST_INSTANT`. */
export async function makeCa(subject: string, issuer?: Made, options: MakeOptions = {}): Promise<Made> {
  return make(subject, issuer, { isCa: true, keyUsage: ['keyCertSign'], ...options });
}

/** A leaf of `spiffe://td.example/w`. Valid at `TEST_INSTANT`. */
export async function makeLeaf(issuer: Made, options: MakeOptions = {}): Promise<Made> {
  return make('', issuer, {
    isCa: false,
    keyUsage: ['digitalSignature'],
    uriSans: ['spiffe://td.example/w'],
    ...options,
  });
}

async function make(
  subject: string,
  issuer: Made | undefined,
  { keyKind = 'P-256', keys, ...options }: MakeOptions,
): Promise<Made> {
  const pair = keys ?? (await generateKeyPair(keyKind));
  const der = await issueCertificate({
    subject,
    publicKey: pair.publicKey,
    ...(issuer
      ? { issuer: { certificate: issuer.der, key: issuer.privateKey } }
      : { signingKey: pair.privateKey }),
    notBefore: new Date('2030-01-01T00:00:00Z'),
    notAfter: new Date('2031-01-01T00:00:00Z'),
    isCa: true,
    keyUsage: [],
    ...options,
  });
  return { ...pair, der };
}

/**
 * The same certificate with its parts changed and a new signature with ECDSA or RSA (PKCS #1 v1.5)
 * and the given hash, or of another kind. The algorithm is an object identifier, or a whole
 * AlgorithmIdentifier.
 */
export function rebuild(
  der: Uint8Array,
  key: KeyObject,
  edit: (tbsParts: Uint8Array[]) => Uint8Array[],
  {
    algorithm,
    hash = 'sha256',
    makeSignature = (tbs) => sign(hash, tbs, key),
  }: {
    algorithm?: string | Uint8Array;
    hash?: string;
    makeSignature?: (tbs: Uint8Array) => Uint8Array;
  } = {},
): Uint8Array {
  const certificate = new DerReader(der).enter(Tag.sequence);
  const tbs = certificate.enter(Tag.sequence);
  const parts: Uint8Array[] = [];
  while (!tbs.done) parts.push(tbs.element());
  const stated = certificate.element(Tag.sequence);
  const algorithmDer =
    typeof algorithm === 'string'
      ? derElement(Tag.sequence, derObjectIdentifier(algorithm))
      : (algorithm ?? stated);
  const edited = edit(parts.map((part, index) => (index === 2 ? algorithmDer : part)));
  const tbsDer = derElement(Tag.sequence, ...edited);
  return derElement(
    Tag.sequence,
    tbsDer,
    algorithmDer,
    derElement(Tag.bitString, Uint8Array.of(0), makeSignature(tbsDer)),
  );
}

/** The same certificate with its list of extensions changed and a new signature. */
export function rebuildExtensions(
  der: Uint8Array,
  key: KeyObject,
  edit: (extensions: Uint8Array[]) => Uint8Array[],
): Uint8Array {
  return rebuild(der, key, (parts) => {
    const list = new DerReader(parts.at(-1) ?? der).enter(CONTEXT | CONSTRUCTED | 3).enter(Tag.sequence);
    const extensions: Uint8Array[] = [];
    while (!list.done) extensions.push(list.element());
    return [
      ...parts.slice(0, -1),
      derElement(CONTEXT | CONSTRUCTED | 3, derElement(Tag.sequence, ...edit(extensions))),
    ];
  });
}

/** An unknown extension with the given number. */
export function unknownExtension(critical: boolean, oid = '1.2.3.4.5') {
  return { oid, critical, value: derElement(Tag.null) };
}

/** `accepted`, or the code of the refusal and the certificate in question. */
export function judge(
  leaf: Uint8Array,
  helpers: readonly Uint8Array[],
  anchors: readonly Uint8Array[],
  more: Partial<PathInput> = {},
): string {
  try {
    const { path } = verifyX509Path({ leaf, helpers, anchors, now: TEST_INSTANT, ...more });
    return `accepted over ${path.length}`;
  } catch (error) {
    if (!(error instanceof X509PathError)) throw error;
    const { certificate } = error;
    return certificate ? `${error.code} of ${certificate.role} ${certificate.index}` : error.code;
  }
}
