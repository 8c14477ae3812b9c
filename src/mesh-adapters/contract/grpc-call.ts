import { type Client, Metadata, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '../../platform/index.ts';
import { withDeadline } from './deadline.ts';
import { MeshAdapterError, type MeshAdapterErrorCode } from './errors.ts';

const TIMEOUT_MS = 15_000;

/**
 * One call with one answer, bounded in time: 15 s, or `ms`. `what` names it in messages. Throws
 * `MeshAdapterError`, the signal's reason.
 */
export function callOnce<Request, Answer>(
  client: Client,
  method: MethodDefinition<Request, Answer>,
  request: Request,
  options: {
    readonly what: string;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly ms?: number;
  },
): Promise<Answer> {
  const { what, clock, signal, ms = TIMEOUT_MS } = options;
  return withDeadline({ ms, what, clock, signal }, (cut) => {
    return new Promise<Answer>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        {},
        (error, answer) => {
          if (error) reject(failureOf(error, what));
          else if (answer === undefined)
            reject(new MeshAdapterError('mesh-answer-malformed', `${what} gave no answer`));
          else resolve(answer);
        },
      );
      if (cut.aborted) call.cancel();
      else cut.addEventListener('abort', () => call.cancel(), { once: true });
    });
  });
}

/** Maps each gRPC status other than OK to an error code. */
export function codeOfStatus(code: number): MeshAdapterErrorCode {
  switch (code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
      return 'mesh-unreachable';
    case status.UNAUTHENTICATED:
      return 'mesh-unauthenticated';
    case status.PERMISSION_DENIED:
      return 'mesh-forbidden';
    case status.NOT_FOUND:
      return 'mesh-not-found';
    case status.ALREADY_EXISTS:
    case status.ABORTED:
      return 'mesh-conflict';
    case status.INVALID_ARGUMENT:
    case status.FAILED_PRECONDITION:
    case status.OUT_OF_RANGE:
    case status.UNIMPLEMENTED:
      return 'mesh-refused';
    default:
      return 'mesh-unavailable';
  }
}

function failureOf({ code, details }: ServiceError, what: string): MeshAdapterError {
  const reason = JSON.stringify(details.split('\n', 1)[0]?.slice(0, 300) ?? '');
  return new MeshAdapterError(codeOfStatus(code), `${what} failed with ${status[code] ?? code}: ${reason}`);
}
