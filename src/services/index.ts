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
export { type AccessPolicy, type AccessRule, checkRule } from './access/rule.ts';
export type {
  Catalogue,
  CatalogueGateway,
  DirectAddress,
  OfferedPort,
  OfferedService,
  OfferState,
} from './catalogue/catalogue.ts';
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
export { compilers, type Target } from './compile/targets.ts';
