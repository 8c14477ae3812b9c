import { messageOf } from '../../errors/index.ts';
import { callHttp } from '../../platform/index.ts';
import type { ControlStatus, ForgedIdentity, RotationStep } from './control-status.ts';
import { SimulatedMeshError } from './errors.ts';

/** Commands a simulated mesh over its control socket. */
export interface ControlClient {
  status(): Promise<ControlStatus>;
  /** Answers with the status after the step. */
  rotate(step: RotationStep): Promise<ControlStatus>;
  /**
   * A leaf for any SPIFFE ID, signed by this mesh's CA: a test device, see `ControlPlane.forge`.
   */
  forge(id: string): Promise<ForgedIdentity>;
}

const LIMITS = { maxBytes: 4 * 1024 * 1024, timeoutMs: 30_000 };

/**
 * A client of the control socket at `socketPath`. Its methods throw `SimulatedMeshError`:
 * `control-unreachable`, `control-refused` (the sentence of the control plane in the message),
 * `control-malformed`.
 */
export function createControlClient(socketPath: string): ControlClient {
  return {
    status: () => call<ControlStatus>(socketPath, 'GET', '/status'),
    rotate: (step) => call<ControlStatus>(socketPath, 'POST', `/rotate/${step}`),
    forge: (id) => call<ForgedIdentity>(socketPath, 'POST', '/forge', { id }),
  };
}

async function call<Answer>(
  socketPath: string,
  method: string,
  path: string,
  body?: object,
): Promise<Answer> {
  const request = { method, to: { socketPath, path }, json: body, connection: { agent: false } };
  const { status, body: text } = await callHttp(request, LIMITS).catch((cause: unknown) => {
    const message = `the control plane did not answer on ${socketPath}: ${messageOf(cause)}`;
    throw new SimulatedMeshError('control-unreachable', message, { cause });
  });
  let answer: unknown;
  try {
    answer = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw new SimulatedMeshError('control-malformed', `the answer of ${socketPath} to ${path} is not JSON`, {
      cause: error,
    });
  }
  // The other end is this room's own server, of this same version.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  if (status === 200) return answer as Answer;
  const { code, message } = Object(answer) as { code?: unknown; message?: unknown };
  throw new SimulatedMeshError(
    'control-refused',
    `${path} was refused by the control plane at ${socketPath}: ${String(message)} (${String(code)})`,
  );
}
