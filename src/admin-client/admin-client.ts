import { request } from 'node:http';
import type { Answer, CallInput, RouteName } from '../admin/index.ts';
import { CodedError } from '../errors/index.ts';
import { offerCallerProof, type Random } from '../platform/index.ts';

/**
 * No agent answered on the admin socket; or what the agent answered is the agent's own error, with
 * its own code.
 */
export class AdminClientError extends CodedError {}

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Asks a running agent. */
export interface AdminClient {
  /**
   * Calls one route of the contract, such as `call('GET /v1/bundles/{trust_domain}', { params: {
   * trust_domain: 'b.example' } })`. Throws `AdminClientError`: `agent-unreachable`, or the agent's
   * code.
   */
  call<Name extends RouteName>(name: Name, ...input: Input<Name>): Promise<Answer<Name>>;
}

/** A route that needs nothing is called by its name alone. */
type Input<Name extends RouteName> =
  Record<never, never> extends CallInput<Name> ? [input?: CallInput<Name>] : [input: CallInput<Name>];

/**
 * Where and how an agent is asked: `operator` goes into the audit log, `timeoutMs` bounds each
 * request.
 */
interface ClientOptions {
  readonly socketPath: string;
  readonly operator: string;
  /** The user that the command runs as, where the operator called it by sudo. */
  readonly operatorAs?: string;
  readonly timeoutMs: number;
  /** Names the proof of the user ID that goes with each change; left out: none goes with it. */
  readonly random?: Random;
  /** Ends each request that is open. */
  readonly signal?: AbortSignal | undefined;
}

/** A client of the agent on the Unix socket `socketPath`. */
export function createAdminClient(options: ClientOptions): AdminClient {
  return {
    call: async <Name extends RouteName>(name: Name, ...[input]: Input<Name>) => {
      const { params = {}, query = {}, body }: Parts = input ?? {};
      const [method = '', path = ''] = name.split(' ');
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, param: string) =>
        encodeURIComponent(params[param] ?? ''),
      );
      const changes = method !== 'GET' && options.random !== undefined;
      const proof = changes ? await offerCallerProof(options.socketPath, options.random) : undefined;
      try {
        return await askAgent<Answer<Name>>(options, {
          method,
          path: `${filled}${queryText(query)}`,
          body,
          proof: proof?.name,
        });
      } finally {
        await proof?.end();
      }
    },
  };
}

/** What a call can have, whatever its route. */
interface Parts {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
}

function queryText(query: NonNullable<Parts['query']>): string {
  const present = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return present.length === 0 ? '' : `?${new URLSearchParams(present).toString()}`;
}

interface Question {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly proof: string | undefined;
}

function askAgent<Answer>(options: ClientOptions, { method, path, body, proof }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const unreachable = (cause: Error) =>
      reject(
        new AdminClientError(
          'agent-unreachable',
          `asking the agent on ${options.socketPath} failed: ${cause.message}`,
          { cause },
        ),
      );
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const call = request(
      {
        socketPath: options.socketPath,
        method,
        path,
        timeout: options.timeoutMs,
        signal: options.signal,
        headers: {
          'x-federate-operator': encodeURIComponent(options.operator),
          ...(options.operatorAs === undefined
            ? {}
            : { 'x-federate-operator-as': encodeURIComponent(options.operatorAs) }),
          ...(proof === undefined ? {} : { 'x-federate-caller': proof }),
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        let length = 0;
        response.on('data', (part: Buffer) => {
          length += part.length;
          if (length > MAX_ANSWER_BYTES) call.destroy(new Error('its answer is too large'));
          else parts.push(part);
        });
        response.on('error', unreachable);
        response.on('end', () => settle(response.statusCode ?? 0, Buffer.concat(parts).toString('utf8')));
      },
    );
    const settle = (status: number, text: string) => {
      let answer: unknown;
      try {
        answer = JSON.parse(text);
      } catch (cause) {
        unreachable(new Error(`it answered ${status} with something that is not JSON`, { cause }));
        return;
      }
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own agent's documents, see the contract in admin/api
      if (status < 400) resolve(answer as Answer);
      else reject(problemFrom(status, answer));
    };
    call.on('timeout', () => call.destroy(new Error(`no answer within ${options.timeoutMs} ms`)));
    call.on('error', unreachable);
    call.end(payload);
  });
}

function problemFrom(status: number, answer: unknown): AdminClientError {
  if (typeof answer === 'object' && answer !== null && 'code' in answer && 'message' in answer) {
    return new AdminClientError(String(answer.code), String(answer.message));
  }
  return new AdminClientError('agent-unreachable', `the agent answered ${status} without saying why`);
}
