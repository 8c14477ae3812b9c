/**
 * The metadata that every request carries, with the value `true`; what a browser can be made to
 * send does not (Workload Endpoint §3).
 */
export const WORKLOAD_HEADER = 'workload.spiffe.io';
