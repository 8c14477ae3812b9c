/** The agent process: its parts, and the code behind each route of the admin API. */
export { buildAgent } from './agent.ts';
export { pollingOf } from './federation-options.ts';
