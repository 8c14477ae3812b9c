import type { Server } from 'node:net';
import { type ListenAddress, listenOn } from '../../platform/index.ts';
import { SimulatedMeshError } from './errors.ts';

/**
 * Listens for `purpose`, as the sentence goes on. Rejects with `SimulatedMeshError` `port-in-use`,
 * `listen-failed`.
 */
export function listenForMesh(server: Server, address: ListenAddress, purpose: string): Promise<void> {
  return listenOn({
    server,
    address,
    purpose,
    refusal: (code, message, options) => new SimulatedMeshError(code, message, options),
    // A demonstration that is out of file descriptors answers nobody until some are free.
    onAcceptError: () => {},
  });
}
