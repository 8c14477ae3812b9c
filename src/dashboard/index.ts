/** The agent's admin API on a Unix socket. Its documents and its client are in `admin-client`. */
export type { InvitationServices } from './invitation-routes.ts';
export type { AdminServices } from './admin-routes.ts';
export { AdminServer, AdminServerError } from './admin-server.ts';
export { describeAuthority, describeDistrusted, describeEvent } from './describe.ts';
export { warningsIn } from './warnings.ts';
export { describeTrustedAt, storyIn } from './history-routes.ts';
export type { ReviewServices } from './review-routes.ts';
export type { DistrustServices } from './distrust-routes.ts';
export type { UnrecordedServices } from './unrecorded-routes.ts';
export type { RotationServices } from './rotation-routes.ts';
