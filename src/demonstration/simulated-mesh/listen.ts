import type { Server } from 'node:net';
import { type ListenAddress, listenOn, silentLog } from '../../platform/index.ts';
import { SimulatedMeshError } from './errors.ts';

/**
 * Listens; `purpose` continues the sentence of the error. Rejects with `SimulatedMeshError`
 * `port-in-use`, `listen-failed`.
 */
export function listenForMesh(server: Server, address: ListenAddress, purpose: string): Promise<void> {
  return listenOn({
    server,
    address,
    purpose,
    refusal: (code, message, options) => new SimulatedMeshError(code, message, options),
    // A demonstration without free file descriptors does not answer until some are free.
    log: silentLog,
  });
}
