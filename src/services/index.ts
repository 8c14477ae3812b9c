/** Services and who may call them: the policy, its judge, and the objects that each mesh enforces. Pure. */
export { type Caller, callerText, parseCaller, trustDomainOfCaller } from './access/caller.ts';
export { isCanonicalPath } from './access/canonical-path.ts';
export { AccessError, type AccessErrorCode } from './access/errors.ts';
export {
  type HeaderMatch,
  type HttpCondition,
  parseHeaderMatch,
  parseMethod,
  parsePathMatch,
  type PathMatch,
} from './access/http-condition.ts';
export { type AccessRequest, type AccessVerdict, judgeAccess } from './access/judge-access.ts';
export { mayCall } from './access/may-call.ts';
export { type AccessPolicy, type AccessRule, checkRule, portsOf } from './access/rule.ts';
export { readRule, type RuleDocument, writeRule } from './access/rule-document.ts';
export type {
  Catalogue,
  CatalogueContent,
  CatalogueGateway,
  DirectAddress,
  OfferedPort,
  OfferedService,
  OfferState,
} from './catalogue/catalogue.ts';
export {
  type ImportReport,
  importReportClaim,
  readImportReport,
  shorterReports,
} from './catalogue/import-report.ts';
export { EXPORTS_PATH, EXPORTS_TYPE } from './catalogue/carrier.ts';
export { CATALOGUE_LIMITS } from './catalogue/catalogue-limits.ts';
export { CatalogueError, type CatalogueErrorCode } from './catalogue/errors.ts';
export {
  defaultAlias,
  importName,
  ImportNameError,
  type ImportNameErrorCode,
  parseAlias,
  parseImportName,
} from './catalogue/import-name.ts';
export {
  type CatalogueContext,
  type CatalogueSuspicion,
  type CatalogueVerdict,
  judgeCatalogue,
  type SuspiciousChange,
} from './catalogue/judge-catalogue.ts';
export { type ExportObstacle, exportObstacle, offerOf } from './catalogue/offer.ts';
export { isRoutableSni, sniOf } from './catalogue/sni.ts';
export { type CatalogueReading, readCatalogue, readCatalogueContent } from './catalogue/read-catalogue.ts';
export { catalogueContent, writeCatalogue } from './catalogue/write-catalogue.ts';
export { isClusterName, isDnsLabel, isHostName, isLocalName } from './service/host-name.ts';
export type { EndpointAddress } from './service/endpoint-address.ts';
export type { ImportedEndpoint, ImportedPort, ImportedService } from './catalogue/imported-service.ts';
export type { OwnPort, OwnService } from './service/own-service.ts';
export {
  checkPorts,
  parseServiceId,
  type Protocol,
  PROTOCOLS,
  type Service,
  ServiceError,
  type ServiceErrorCode,
  type ServiceId,
  type ServicePort,
} from './service/service.ts';
export type { Compilation, CompilationWarning, Placement, Refusal } from './compile/compilation.ts';
export { opaData } from './compile/opa.ts';
export { compilers, type Target } from './compile/targets.ts';
