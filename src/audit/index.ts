/** The history as a stream of CloudEvents for other systems: standard output, files, webhooks. */
export type { AuditSink } from './audit-sink.ts';
export { AuditStream, type AuditTrouble } from './audit-stream.ts';
export { fileSink } from './file-sink.ts';
export { streamSink } from './stream-sink.ts';
export { webhookSink } from './webhook-sink.ts';
