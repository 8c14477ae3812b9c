import { messageOf } from '../../errors/index.ts';
import type { Clock } from '../../platform/index.ts';
import { names } from './layout.ts';
import type { Meshes } from './meshes.ts';
import type { StepReporter } from './story.ts';
import { type ProbeIdentity, probeTls } from './tls-probe.ts';
import { check } from './until.ts';

/** The outcome of the calls while something else happened. */
export interface TrafficReport {
  /** Calls of backend to info through the sidecars, over connections that are kept. */
  readonly calls: number;
  /** Calls each over a TLS connection of its own, from a full handshake on. */
  readonly handshakes: number;
  readonly failed: number;
  /** The first few reasons, for the story. */
  readonly failures: readonly string[];
}

/** Pause between two calls of one kind. */
const PAUSE_MS = 15;

/**
 * Calls info again and again until it is stopped, in two ways at once, and counts every single
 * call.
 */
export class Traffic {
  readonly #meshes: Meshes;
  readonly #clock: Clock;
  readonly #failures: string[] = [];
  #calls = 0;
  #handshakes = 0;
  #failed = 0;
  #running = true;
  readonly #done: Promise<unknown>;

  private constructor(meshes: Meshes, clock: Clock, identity: ProbeIdentity) {
    this.#meshes = meshes;
    this.#clock = clock;
    this.#done = Promise.all([
      this.#repeat(async () => {
        this.#calls += 1;
        const { remark, missing } = await meshes.call();
        return remark ? undefined : `${missing?.message ?? 'no answer'} [${missing?.code ?? '-'}]`;
      }),
      this.#repeat(async () => {
        this.#handshakes += 1;
        const port = meshes.layout.ports.istioGateway;
        const { firstLine } = await probeTls({ port, serverName: names.infoServerName, identity });
        return firstLine?.includes('200') === true
          ? undefined
          : `a new connection got ${firstLine ?? 'no byte'}`;
      }),
    ]);
  }

  static async start(meshes: Meshes, clock: Clock): Promise<Traffic> {
    return new Traffic(meshes, clock, await meshes.control.istio.forge(names.backendId));
  }

  /** Resolves after `count` more calls of each kind. */
  async more(count: number): Promise<void> {
    const [calls, handshakes] = [this.#calls + count, this.#handshakes + count];
    while (this.#calls < calls || this.#handshakes < handshakes) {
      this.#meshes.checkRunning();
      await this.#clock.sleep(PAUSE_MS);
    }
  }

  /** Ends after the calls in flight. */
  async stop(): Promise<TrafficReport> {
    this.#running = false;
    await this.#done;
    return {
      calls: this.#calls,
      handshakes: this.#handshakes,
      failed: this.#failed,
      failures: this.#failures,
    };
  }

  async #repeat(call: () => Promise<string | undefined>): Promise<void> {
    while (this.#running) {
      const failure = await call().catch((error: unknown) => messageOf(error));
      if (failure !== undefined) {
        this.#failed += 1;
        if (this.#failures.length < 5) this.#failures.push(failure);
      }
      await this.#clock.sleep(PAUSE_MS);
    }
  }
}

/** Ends the calls and reports them. Throws `DemoError` where a call failed. */
export async function endTraffic(traffic: Traffic, story: StepReporter): Promise<void> {
  const { calls, handshakes, failed, failures } = await traffic.stop();
  story.note('calls', calls);
  story.note('handshakes', handshakes);
  story.note('failed', failed);
  check(failed === 0, `every call succeeds; ${failed} calls failed: ${failures.join('; ')}`);
  story.saw(
    `${calls} calls through the sidecars and ${handshakes} with a new TLS handshake each, none failed`,
  );
}
