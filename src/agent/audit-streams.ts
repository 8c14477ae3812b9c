import type { WarningDocument } from '../admin/index.ts';
import { AuditStream, type AuditSink, fileSink, streamSink, webhookSink } from '../audit/index.ts';
import type { AgentConfig } from '../config/index.ts';
import { defined } from '../objects/index.ts';
import type { Clock, Metrics, ProcessContext } from '../platform/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';

/** A webhook that restarts is not worth a warning. */
const WARN_AFTER_MS = 5 * 60_000;

type SinkConfig = AgentConfig['audit'][number];

/** Gives every event of the history to the sinks of the config. */
export class AuditStreams {
  readonly #streams: readonly AuditStream[];
  readonly #clock: Clock;

  constructor(
    sinks: readonly SinkConfig[],
    { clock, random, log }: ProcessContext,
    parts: {
      readonly store: Store;
      readonly trustDomain: () => TrustDomain | undefined;
      readonly metrics: Metrics;
    },
  ) {
    const { metrics, ...rest } = parts;
    const counted = metrics.counter(
      'federate_audit_events_total',
      'Events given to sinks of the audit stream',
      ['sink', 'outcome'],
    );
    this.#clock = clock;
    this.#streams = sinks.map((sink) => {
      const { kind, name = kind, from } = sink;
      const open = { name, sink: openSink(sink, clock), from, counted };
      return new AuditStream({ ...rest, ...open, clock, random, log: log.with({ part: 'audit' }) });
    });
  }

  async start(): Promise<void> {
    for (const stream of this.#streams) await stream.start();
  }

  /** There are new events. */
  wake(): void {
    for (const stream of this.#streams) stream.wake();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#streams.map((stream) => stream.stop()));
  }

  /** One for each sink that events have not reached for minutes. */
  warnings(): readonly WarningDocument[] {
    return this.#streams.flatMap(({ name, trouble }) => {
      if (!trouble || this.#clock.now().getTime() - trouble.since.getTime() < WARN_AFTER_MS) return [];
      const message = `events do not reach the sink ${name} of the audit stream: ${trouble.message} [${trouble.code}]`;
      return [{ code: 'audit-behind', trust_domain: null, message, since: trouble.since.toISOString() }];
    });
  }
}

function openSink(sink: SinkConfig, clock: Clock): AuditSink {
  switch (sink.kind) {
    case 'stdout':
      return streamSink(process.stdout);
    case 'file':
      return fileSink(sink.path);
    case 'webhook': {
      const { url, secret_file: secretFile, ca_file: caFile } = sink;
      return webhookSink({ url, secretFile, ...defined({ caFile }), clock });
    }
  }
}
