/**
 * The metadata of every request, with the value `true`. A browser cannot be made to send it
 * (Workload Endpoint §3).
 */
export const WORKLOAD_HEADER = 'workload.spiffe.io';
