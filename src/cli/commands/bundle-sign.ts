import type { Command } from 'commander';
import { resolve } from 'node:path';
import { messageOf } from '../../errors/index.ts';
import { writeDurably } from '../../platform/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { durationOf } from '../instants.ts';
import { type Terminal, UsageError } from '../terminal.ts';

interface SignOptions extends AgentOptions {
  readonly expires: string;
  readonly file?: string;
}

/**
 * `federate bundle sign`: our bundle with our signature, for a bucket, a stick or another agent to
 * carry.
 */
export function addSignCommand(bundle: Command, terminal: Terminal): void {
  withAgent(bundle.command('sign'))
    .description('our bundle with our signature: it proves itself, from any carrier')
    .option('--expires <duration>', 'how long it may be taken; at most as long as our SVID lasts', '24h')
    .option('--file <path>', 'write it there, whole or not at all, instead of printing it')
    .addHelpText(
      'after',
      `
Examples:
  $ federate bundle sign > a.jws
  $ federate bundle sign --expires 7d --file /srv/www/a.jws

A peer that holds our roots reads it with "federate add --peer FILE|URL --signed". Sign again
before it ends, and after each rotation; the endpoint serves a fresh one at
/federate/v1/signed-bundle.`,
    )
    .action(async (options: SignOptions) => {
      const lifetimeMs = durationOf(options.expires, '--expires', 60_000);
      const answer = await agentFor(options).call('POST /v1/signed-bundle', {
        body: { lifetime_seconds: Math.floor(lifetimeMs / 1000) },
      });
      const { token, expires_at: end, signer_id: signer } = answer;
      if (options.file !== undefined) await writeOrRefuse(options.file, `${token}\n`);
      terminal.result(answer, (view) =>
        options.file === undefined
          ? token
          : `Written to ${options.file}: signed by ${signer}, good until ${view.at(end)}.`,
      );
      if (options.file === undefined && terminal.format === 'text')
        terminal.note(`signed by ${signer}, good until ${terminal.view.at(end)}`);
    });
}

async function writeOrRefuse(file: string, text: string): Promise<void> {
  try {
    await writeDurably(resolve(file), text);
  } catch (cause) {
    const why = messageOf(cause);
    throw new UsageError(`writing --file failed: ${why}`, { cause });
  }
}
