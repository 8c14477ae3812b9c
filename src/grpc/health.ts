import { loadProto, messageType } from './message-type.ts';
import { method } from './service.ts';

export interface HealthCheckRequest {
  /** The full name of a service; empty for the server as a whole. */
  readonly service: string;
}

export interface HealthCheckResponse {
  readonly status: 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

const root = loadProto('health');
const request = messageType<HealthCheckRequest>(root, 'federate.health.HealthCheckRequest');
const response = messageType<HealthCheckResponse>(root, 'federate.health.HealthCheckResponse');

/** gRPC's health checking protocol. */
export const healthService = {
  Check: method({
    path: '/grpc.health.v1.Health/Check',
    request,
    response,
    requestStream: false,
    responseStream: false,
  }),
  Watch: method({
    path: '/grpc.health.v1.Health/Watch',
    request,
    response,
    requestStream: false,
    responseStream: true,
  }),
} as const;
