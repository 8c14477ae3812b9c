import type { AuditSink } from './audit-sink.ts';

const BATCH = 100;

/** Writes each event as one line of JSON to a stream, such as the standard output. */
export function streamSink(stream: Pick<NodeJS.WritableStream, 'write'>): AuditSink {
  return {
    batch: BATCH,
    deliver: (events) =>
      new Promise((resolve, reject) => {
        const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('');
        stream.write(lines, (error) => (error ? reject(error) : resolve()));
      }),
  };
}
