import { request } from 'node:http';
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

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

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
  const { status, text } = await exchange(socketPath, method, path, body);
  let answer: unknown;
  try {
    answer = JSON.parse(text);
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

function exchange(
  socketPath: string,
  method: string,
  path: string,
  body: object | undefined,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const unreachable = (cause: Error) =>
      reject(
        new SimulatedMeshError(
          'control-unreachable',
          `the control plane did not answer on ${socketPath}: ${cause.message}`,
          { cause },
        ),
      );
    const outgoing = request(
      { socketPath, method, path, agent: false, timeout: TIMEOUT_MS, headers: { host: 'control' } },
      (incoming) => {
        const chunks: Buffer[] = [];
        let length = 0;
        incoming.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > MAX_ANSWER_BYTES) incoming.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
        incoming.on('error', unreachable);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', unreachable);
    if (body) outgoing.setHeader('content-type', 'application/json');
    outgoing.end(body ? JSON.stringify(body) : undefined);
  });
}
