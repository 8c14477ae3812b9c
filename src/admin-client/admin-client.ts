import type { Answer, CallInput, RouteName } from '../admin/index.ts';
import { CodedError, messageOf } from '../errors/index.ts';
import { defined } from '../objects/index.ts';
import { callHttp, type HttpAnswer, offerCallerProof, type Random } from '../platform/index.ts';

/**
 * No agent answered on the admin socket; or what the agent answered is the agent's own error, with
 * its own code.
 */
class AdminClientError extends CodedError {}

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
  /** Cleans what the agent answers, errors too. Left out: it stays as it is. */
  readonly clean?: (answer: unknown) => unknown;
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

async function askAgent<Answer>(
  { socketPath, operator, operatorAs, timeoutMs, clean = (answer) => answer, signal }: ClientOptions,
  { method, path, body, proof }: Question,
): Promise<Answer> {
  const headers = {
    'x-federate-operator': encodeURIComponent(operator),
    ...defined({
      'x-federate-operator-as': operatorAs && encodeURIComponent(operatorAs),
      'x-federate-caller': proof,
    }),
  };
  let status: number;
  let answer: unknown;
  try {
    const request = { method, to: { socketPath, path }, headers, json: body, ...defined({ signal }) };
    const found = await callHttp(request, { maxBytes: MAX_ANSWER_BYTES, timeoutMs });
    status = found.status;
    answer = clean(jsonOf(found));
  } catch (cause) {
    const message = `asking the agent on ${socketPath} failed: ${messageOf(cause)}`;
    throw new AdminClientError('agent-unreachable', message, { cause });
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own agent's documents, see the contract in admin/api
  if (status < 400) return answer as Answer;
  throw problemFrom(status, answer);
}

function jsonOf({ status, body }: HttpAnswer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new Error(`it answered ${status} with something that is not JSON`, { cause });
  }
}

function problemFrom(status: number, answer: unknown): AdminClientError {
  if (typeof answer === 'object' && answer !== null && 'code' in answer && 'message' in answer) {
    return new AdminClientError(String(answer.code), String(answer.message));
  }
  return new AdminClientError('agent-unreachable', `the agent answered ${status} without saying why`);
}
