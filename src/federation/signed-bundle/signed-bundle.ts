import {
  type BundleSource,
  CodedError,
  parseCertificate,
  serializeBundle,
  type SpiffeId,
  StatementError,
  type StatementSigner,
  signStatement,
  type TrustBundle,
  type TrustDomain,
  verifyStatement,
  type X509Svid,
} from '../../spiffe/index.ts';

const TYPE = 'federate-bundle+jws';
/** The audience of a signed bundle: every holder of that trust domain's roots. */
const AUDIENCE = 'federate-bundle';

export type SignedBundleErrorCode =
  /** The input is not a signed bundle, or the held roots do not prove its signature. */
  | 'signed-bundle-refused'
  /** It was good until its signed end. */
  | 'signed-bundle-expired'
  /** The signer is not the one that was agreed on. */
  | 'signed-bundle-signer'
  /** It is the bundle of another trust domain. */
  | 'signed-bundle-other-trust-domain';

/** A signed bundle is not accepted. */
export class SignedBundleError extends CodedError<SignedBundleErrorCode> {}

/** A bundle that proves itself, wherever it comes from. */
export interface SignedBundle {
  readonly token: string;
  readonly expiresAt: Date;
}

/**
 * The most characters of a signed bundle around a document of at most so many bytes: base64, and
 * room for a chain.
 */
export function maxSignedCharacters(maxDocumentBytes: number): number {
  // The document is a JSON text inside a JSON text, whose quotes are escaped.
  return 3 * maxDocumentBytes + 32 * 1024;
}

/**
 * Our bundle with our signature, as one text for a file, a bucket or another agent to carry. It
 * ends with `lifetimeMs` or the SVID, whichever is sooner: a signature under a certificate that is
 * over proves nothing.
 */
export async function signBundle(options: {
  readonly bundle: TrustBundle;
  readonly signer: StatementSigner;
  readonly now: Date;
  readonly lifetimeMs: number;
}): Promise<SignedBundle> {
  const { bundle, signer, now, lifetimeMs } = options;
  const [leaf] = signer.certificateChain;
  const svidEndsMs = leaf ? parseCertificate(leaf).notAfter.getTime() : now.getTime();
  const expiresAt = new Date(Math.min(now.getTime() + lifetimeMs, svidEndsMs));
  const token = await signStatement({
    type: TYPE,
    signer,
    audience: AUDIENCE,
    issuedAt: now,
    expiresAt,
    claims: {
      trust_domain: bundle.trustDomain,
      bundle: Buffer.from(serializeBundle(bundle)).toString('utf8'),
    },
  });
  return { token, expiresAt };
}

/** A signed bundle that was opened: the document in it, and what proves it. */
export interface OpenedBundle {
  readonly document: Uint8Array;
  readonly signer: X509Svid;
  readonly expiresAt: Date;
}

/**
 * The document in a signed bundle of `trustDomain`, proved to be signed by `signerId` with the
 * roots of that trust domain in `bundles`, and not over. Rejects with `SignedBundleError`.
 */
export async function openSignedBundle(
  body: Uint8Array,
  options: {
    readonly trustDomain: TrustDomain;
    readonly signerId: SpiffeId;
    readonly bundles: BundleSource;
    readonly now: Date;
    readonly maxDocumentBytes: number;
  },
): Promise<OpenedBundle> {
  const { trustDomain, signerId, bundles, now, maxDocumentBytes } = options;
  try {
    const { signer, claims, expiresAt } = await verifyStatement(textOf(body), {
      type: TYPE,
      audience: AUDIENCE,
      bundles,
      now,
      maxCharacters: maxSignedCharacters(maxDocumentBytes),
    });
    if (signer.id !== signerId)
      throw new SignedBundleError(
        'signed-bundle-signer',
        `the signed bundle of ${trustDomain} is signed by ${signer.id}, and the relationship names ${signerId}`,
      );
    if (claims.get('trust_domain') !== trustDomain)
      throw new SignedBundleError(
        'signed-bundle-other-trust-domain',
        `${signer.id} signed the bundle of another trust domain than ${trustDomain}`,
      );
    const document = claims.get('bundle');
    if (typeof document !== 'string')
      throw new SignedBundleError('signed-bundle-refused', `what ${signer.id} signed holds no bundle`);
    return { document: Buffer.from(document, 'utf8'), signer, expiresAt };
  } catch (error) {
    if (!(error instanceof StatementError)) throw error;
    const code = error.code === 'statement-expired' ? 'signed-bundle-expired' : 'signed-bundle-refused';
    throw new SignedBundleError(code, `the signed bundle of ${trustDomain} is refused: ${error.message}`, {
      cause: error,
    });
  }
}

/**
 * The document in a signed bundle, without any proof. It is only for comparing it with a pin, which
 * then proves the roots that the signature is checked with. Undefined where there is none.
 */
export function unprovedDocument(body: Uint8Array): Uint8Array | undefined {
  const claims = textOf(body).split('.', 2)[1] ?? '';
  try {
    const { bundle }: { bundle?: unknown } =
      JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) ?? {};
    return typeof bundle === 'string' ? Buffer.from(bundle, 'utf8') : undefined;
  } catch {
    // Whatever it is, the pin does not name it.
    return undefined;
  }
}

/** Removes the line break at the end of a file, which does not belong to the text. */
function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1').trimEnd();
}
