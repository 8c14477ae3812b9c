import { z } from 'zod';
import { evenIfWrong, path } from '../fields.ts';

const common = {
  name: z
    .string()
    .regex(
      /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/,
      'a name is a lower-case DNS label of at most 32 characters',
    )
    .optional()
    .describe('Its place in the history is stored under this name; left out: the kind. No two are the same.'),
  from: z
    .enum(['now', 'beginning'])
    .default('now')
    .describe('Where it begins when its name is new: with the next event, or with the oldest one.'),
};

const sink = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z
      .literal('stdout')
      .describe('Lines of JSON on the standard output. The log is on the standard error.'),
    ...common,
  }),
  z.strictObject({
    kind: z.literal('file').describe('Lines of JSON, appended to a file of mode 0600.'),
    ...common,
    path: path().describe('The file. It may be renamed at any time; then a new one is begun.'),
  }),
  z.strictObject({
    kind: z.literal('webhook').describe('One `POST` for each event, signed as Standard Webhooks has it.'),
    ...common,
    url: z
      .string()
      .refine(isUsableUrl, 'is an https URL without a user name; http only to a loopback address')
      .describe('Where events are posted.'),
    secret_file: path().describe(
      'File of mode 0600 with one secret a line, `whsec_` and base64 of at least 24 bytes. With two lines, each event has two signatures. It is read for each event.',
    ),
    ca_file: path().optional().describe('PEM file with the CA of the webhook, in place of the public ones.'),
  }),
]);

/** `audit` of an agent. */
export const audit = z
  .array(sink)
  .max(8)
  .default([])
  .superRefine((sinks, context) => {
    for (const [index, { kind, name = kind }] of sinks.entries()) {
      if (sinks.findIndex((other) => (other.name ?? other.kind) === name) === index) continue;
      context.addIssue({
        code: 'custom',
        path: [index, 'name'],
        message: `another sink has the name ${name}`,
      });
    }
  }, evenIfWrong);

function isUsableUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  const isLoopback =
    hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
  return (
    (protocol === 'https:' || (protocol === 'http:' && isLoopback)) && username === '' && password === ''
  );
}
