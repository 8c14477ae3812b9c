import type { TrustDomain } from '../../spiffe/index.ts';
import type {
  CatalogueContent,
  CatalogueDirection,
  CatalogueNotHeld,
  CatalogueVersion,
  HeldCatalogue,
} from './catalogue-version.ts';
import type { NewEvent } from './event.ts';
import type { StoredAccessRule, StoredExport, StoredImport, StoredOwnService } from './service-rows.ts';

/** The readable side of what a store keeps about services. */
export interface ServiceStoreReader {
  /** The services that the operator declared at the command line, by ID. */
  ownServices(): Promise<StoredOwnService[]>;
  /** All exports, by service and consumer. */
  serviceExports(): Promise<StoredExport[]>;
  /** All rules, by service and ID. */
  accessRules(): Promise<StoredAccessRule[]>;
  /** The catalogue that counts of each peer, by trust domain. */
  heldCatalogues(): Promise<HeldCatalogue[]>;
  /** All imports, by name. */
  serviceImports(): Promise<StoredImport[]>;
  /** The newest catalogue that we issued to this peer. */
  issuedCatalogue(trustDomain: TrustDomain): Promise<CatalogueVersion | undefined>;
  /**
   * The history of one peer's catalogues, newest first; `before` is a number, for the next page.
   * `limit` defaults to 100.
   */
  catalogueVersions(
    trustDomain: TrustDomain,
    direction: CatalogueDirection,
    page?: { readonly limit?: number; readonly before?: number },
  ): Promise<CatalogueVersion[]>;
}

/**
 * What a store keeps about services. Each method writes its row and its event in one transaction.
 * One that would change nothing writes nothing and resolves with false: `since`, `declaredAt` and
 * the instant of the event are not compared.
 */
export interface ServiceStore extends ServiceStoreReader {
  putOwnService(service: StoredOwnService, event: NewEvent): Promise<boolean>;
  removeOwnService(id: string, event: NewEvent): Promise<boolean>;

  /** Rejects with `relationship-gone`. Without `event` none is written. */
  putServiceExport(serviceExport: StoredExport, event?: NewEvent): Promise<boolean>;
  removeServiceExport(service: string, consumer: TrustDomain, event: NewEvent): Promise<boolean>;

  putAccessRule(rule: StoredAccessRule, event: NewEvent): Promise<boolean>;
  removeAccessRule(service: string, ruleId: string, event: NewEvent): Promise<boolean>;

  /** Rejects with `relationship-gone` and `import-name-taken`. */
  putServiceImport(serviceImport: StoredImport, event?: NewEvent): Promise<boolean>;
  removeServiceImport(trustDomain: TrustDomain, service: string, event: NewEvent): Promise<boolean>;

  /**
   * Issues this content to a peer: with the sequence after the newest one, or, where the content is
   * that of the newest one, under the same sequence, and nothing is written. The number of issued
   * versions never restarts, also after the relationship ended. Rejects with `relationship-gone`.
   */
  issueCatalogue(
    content: Omit<CatalogueContent, 'sequence'>,
    at: Date,
    event?: NewEvent,
  ): Promise<CatalogueVersion>;

  /**
   * Makes a received catalogue the one that counts. New content is a version of the history. Equal
   * content changes sequence, reception and expiry of the held one only, and no event is written.
   * Resolves with whether the content is new. Rejects with `relationship-gone`, and with
   * `sequence-rolled-back` for a sequence below the held one.
   */
  holdCatalogue(
    held: Omit<HeldCatalogue, 'digest'>,
    verdict: 'accepted' | 'operator',
    event: NewEvent,
  ): Promise<boolean>;

  /**
   * Records a received catalogue that does not count. Writes nothing where the newest received
   * version of this peer has the same verdict, content and code, or where the peer has added many
   * such versions within a day. Refused content is never stored.
   */
  recordCatalogueNotHeld(catalogue: CatalogueNotHeld): Promise<boolean>;
}
