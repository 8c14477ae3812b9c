import { createHmac } from 'node:crypto';
import { messageOf } from '../errors/index.ts';
import { callHttp, type Clock, type HttpAnswer, readRegularText, readSecretText } from '../platform/index.ts';
import type { AuditSink } from './audit-sink.ts';
import type { CloudEvent } from './cloud-event.ts';
import { AuditError } from './errors.ts';

const MAX_SECRET_FILE_BYTES = 16 * 1024;
const MAX_CA_BYTES = 1024 * 1024;
const LIMITS = { maxBytes: 64 * 1024, timeoutMs: 10_000 };
const PREFIX = 'whsec_';
/** The least that the specification of Standard Webhooks asks for. */
const LEAST_SECRET_BYTES = 24;

/**
 * Posts each event by itself, signed as Standard Webhooks has it: `webhook-signature` is `v1,` and
 * the HMAC-SHA256 of ID, timestamp and body, joined by dots; once for each secret, so that a secret
 * can be changed without a gap. Secrets are read for each request. Follows no redirect. Rejects
 * with `AuditError`.
 */
export function webhookSink(options: {
  readonly url: string;
  readonly secretFile: string;
  readonly caFile?: string;
  readonly clock: Clock;
}): AuditSink {
  const { url, secretFile, caFile, clock } = options;
  return {
    batch: 1,
    deliver: async ([event], signal) => {
      if (!event) return;
      const secrets = await readSecrets(secretFile);
      const ca = caFile === undefined ? undefined : await readRegularText(caFile, MAX_CA_BYTES);
      const request = {
        method: 'POST',
        to: new URL(url),
        headers: signedHeaders(event, secrets, clock.now()),
        json: event,
        connection: { agent: false as const, ...(ca === undefined ? {} : { ca }) },
        signal,
      };
      const answer = await callHttp(request, { ...LIMITS, clock }).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw new AuditError(
          'audit-webhook-unreachable',
          `${hostOf(url)} was not reached: ${messageOf(cause)}`,
          {
            cause,
          },
        );
      });
      refuse(answer, url);
    },
  };
}

/** The headers that prove an event, over the very text that is sent. */
function signedHeaders(
  event: CloudEvent,
  secrets: readonly Buffer[],
  now: Date,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const signed = `${event.id}.${timestamp}.${JSON.stringify(event)}`;
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`,
  );
  return {
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'webhook-id': event.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}

function refuse({ status }: HttpAnswer, url: string): void {
  if (status >= 200 && status < 300) return;
  throw new AuditError('audit-webhook-refused', `${hostOf(url)} answered with status ${status}`);
}

/** One secret a line: `whsec_` and base64 of at least 24 bytes. */
async function readSecrets(file: string): Promise<readonly Buffer[]> {
  const unusable = (why: string, cause?: unknown) =>
    new AuditError('audit-secret-unusable', `the secrets in ${JSON.stringify(file)} cannot be used: ${why}`, {
      cause,
    });
  let text: string;
  try {
    text = await readSecretText(file, MAX_SECRET_FILE_BYTES);
  } catch (cause) {
    throw unusable(messageOf(cause), cause);
  }
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const secrets = lines.map((line) => Buffer.from(line.trim().slice(PREFIX.length), 'base64'));
  const isRight = lines.every((line) => line.trim().startsWith(PREFIX));
  if (lines.length === 0 || !isRight || secrets.some(({ length }) => length < LEAST_SECRET_BYTES))
    throw unusable(`each line is ${PREFIX} and base64 of at least ${LEAST_SECRET_BYTES} bytes`);
  return secrets;
}

/** A query may hold a secret, so only the host is named. */
function hostOf(url: string): string {
  return new URL(url).host;
}
