/**
 * The client of the agent's admin API. It takes the contract of `admin` as types only, so it loads
 * nothing that runs a server.
 */
export { type AdminClient, createAdminClient } from './admin-client.ts';
export type * from '../admin/index.ts';
