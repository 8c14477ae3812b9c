import { type MethodDefinition, status } from '@grpc/grpc-js';
import { type Clock, describeError, type Log, pause, type Random } from '../platform/index.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import type { WorkloadApiProblem } from './workload-api-problem.ts';
import { describeStatus, openWorkloadClient, workloadMetadata } from './workload-call.ts';

export interface WorkloadStreamOptions<Message> {
  readonly address: EndpointAddress;
  readonly method: MethodDefinition<Record<never, never>, Message>;
  /** Accepts the whole state; throws for an unusable one. */
  readonly onMessage: (message: Message) => void;
  /** Drops the state, which must not be used any more (WLAPI-24). */
  readonly onDenied: () => void;
  /** Receives each new problem once, however often it occurs. */
  readonly onProblem?: ((problem: WorkloadApiProblem) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const STEP_MS = 1000;
const LONGEST_WAIT_MS = 10_000;
/** A stream without a message after this time is ended, because it must send one at once (WLAPI-13). */
const FIRST_MESSAGE_MS = 30_000;
/** A stream that lasted less than this is not opened again at once. */
const SHORT_STREAM_MS = 1000;
/** Calls that a server cannot answer, today or later (Workload Endpoint §6). */
const FINAL: ReadonlySet<status> = new Set([status.INVALID_ARGUMENT, status.UNIMPLEMENTED]);

/** How one stream ended. */
interface StreamEnd {
  readonly answered: boolean;
  readonly code: status;
  readonly why: string;
}

/**
 * One streaming call of a Workload API, held open (WLAPI-12). When it ends another is opened: at
 * once after a long stream, and with waits that grow to ten seconds while there is no answer.
 * InvalidArgument and Unimplemented are reported and not tried again; every other failure may pass
 * (WLAPI-08).
 */
export class WorkloadStream<Message> {
  readonly #options: WorkloadStreamOptions<Message>;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #problem: WorkloadApiProblem | undefined;
  #cancel: () => void = () => {};

  constructor(options: WorkloadStreamOptions<Message>) {
    this.#options = options;
  }

  /** Why there is nothing new; undefined while the last message was good. */
  get problem(): WorkloadApiProblem | undefined {
    return this.#problem;
  }

  start(): void {
    this.#running = this.#run();
  }

  /**
   * Replaces the open stream, if there is one. Its server may hang, or no longer be the one behind
   * the address.
   */
  reopen(): void {
    this.#cancel();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const begun = clock.monotonicMs();
      const { answered, code, why: message } = await this.#streamOnce(signal);
      if (signal.aborted) return;
      if (FINAL.has(code)) {
        this.#report({ code: 'refused', message });
        return;
      }
      if (code === status.PERMISSION_DENIED) {
        this.#report({ code: 'permission-denied', message });
        this.#options.onDenied();
      } else if (!answered) this.#report({ code: 'unavailable', message });
      const lasted = answered && clock.monotonicMs() - begun >= SHORT_STREAM_MS;
      failures = answered ? (lasted ? 0 : 1) : failures + 1;
      const waitMs = Math.min(failures * STEP_MS, LONGEST_WAIT_MS);
      if (waitMs > 0) await pause(clock, waitMs * (0.5 + random.fraction() / 2), signal);
    }
  }

  /** Runs one stream from its beginning to its end. */
  #streamOnce(signal: AbortSignal): Promise<StreamEnd> {
    const { address, method, clock } = this.#options;
    // One client per stream, because the library's own waits between connections are longer than a
    // restart of the server.
    const client = openWorkloadClient(address);
    const { path, requestSerialize, responseDeserialize } = method;
    const stream = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      {},
      workloadMetadata(),
    );
    const silence = new AbortController();
    let answered = false;
    let silent = false;
    void pause(clock, FIRST_MESSAGE_MS, silence.signal).then((isSilent) => isSilent && this.#cancel());
    return new Promise((resolve) => {
      const onAbort = () => stream.cancel();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#cancel = () => {
        silent = !answered;
        stream.cancel();
      };
      stream.on('data', (message: Message) => {
        answered = true;
        silence.abort();
        if (!signal.aborted) this.#take(message);
      });
      // The end of a stream arrives twice: as an error and as a status. The status always comes.
      stream.on('error', () => {});
      stream.on('status', ({ code, details }) => {
        silence.abort();
        signal.removeEventListener('abort', onAbort);
        this.#cancel = () => {};
        client.close();
        resolve({ answered, code, why: silent ? 'it sends no message' : describeStatus(code, details) });
      });
    });
  }

  #take(message: Message): void {
    try {
      this.#options.onMessage(message);
    } catch (error) {
      // Discarded as a whole; the state before stays (WLAPI-16).
      this.#report({ code: 'message-malformed', message: describeError(error).message });
      return;
    }
    this.#problem = undefined;
  }

  /** Logs a problem once, however often it occurs. */
  #report(problem: WorkloadApiProblem): void {
    const before = this.#problem;
    this.#problem = problem;
    if (before?.code === problem.code && before.message === problem.message) return;
    const { address, log } = this.#options;
    const fields = { workload_api: address.uri, code: problem.code, why: problem.message };
    if (problem.code === 'refused') log.error('the Workload API refuses us and is not asked again', fields);
    else if (problem.code === 'message-malformed')
      log.error('message of the Workload API not taken, the last one stays', fields);
    else log.warn('the Workload API gives nothing, it is asked again', fields);
    this.#options.onProblem?.(problem);
  }
}
