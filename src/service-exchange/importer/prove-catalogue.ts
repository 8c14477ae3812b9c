import { agentOf } from '../../federation/index.ts';
import { type BundleSource, StatementError, type TrustDomain, verifyStatement } from '../../spiffe/index.ts';
import {
  type Catalogue,
  CATALOGUE_LIMITS,
  CatalogueError,
  type CatalogueErrorCode,
  type CatalogueReading,
  EXPORTS_TYPE,
  readCatalogue,
} from '../../services/index.ts';
import type { Relationship } from '../../store/index.ts';

/** What proving a catalogue takes. */
export interface CatalogueProof extends Pick<CatalogueReading, 'refuseHost' | 'sharesNetwork'> {
  readonly own: TrustDomain;
  readonly bundles: BundleSource;
  readonly now: Date;
}

/**
 * Proves and reads a signed catalogue. Only the agent of the relationship may sign it, for us, and
 * its time must not be over. Rejects with `CatalogueError`.
 */
export async function proveCatalogue(
  relationship: Relationship,
  token: string,
  { own, bundles, now, ...rules }: CatalogueProof,
): Promise<Catalogue> {
  const { trustDomain } = relationship;
  try {
    const { signer, claims } = await verifyStatement(token.trimEnd(), {
      type: EXPORTS_TYPE,
      audience: own,
      bundles,
      now,
      maxCharacters: CATALOGUE_LIMITS.characters,
    });
    const agent = agentOf(relationship);
    if (signer.id !== agent)
      throw new CatalogueError(
        'catalogue-signer',
        `${signer.id} signed the catalogue of ${trustDomain}, expected ${agent ?? 'nobody'}`,
      );
    return readCatalogue(claims, { owner: trustDomain, audience: own, ...rules });
  } catch (cause) {
    if (!(cause instanceof StatementError)) throw cause;
    throw new CatalogueError(
      codeOf(cause),
      `the catalogue of ${trustDomain} is not proven: ${cause.message} [${cause.code}]`,
      { cause },
    );
  }
}

function codeOf({ code }: StatementError): CatalogueErrorCode {
  switch (code) {
    case 'statement-too-large':
      return 'catalogue-too-large';
    case 'audience-mismatch':
      return 'catalogue-other-audience';
    case 'statement-expired':
      return 'catalogue-expired';
    case 'statement-malformed':
    case 'statement-type':
    case 'statement-from-the-future':
      return 'catalogue-malformed';
    case 'statement-algorithm':
    case 'signer-refused':
    case 'signature-invalid':
    case 'issuer-mismatch':
      return 'catalogue-signer';
  }
}
