import { type Command, Option } from 'commander';
import type { AddDocument } from '../admin-client/index.ts';
import { durationOf } from './instants.ts';
import { UsageError } from './terminal.ts';

/** What an operator may agree on with a peer, in addition to its endpoint. */
export interface TermsOptions {
  readonly policy?: NonNullable<AddDocument['policy']>;
  readonly staleAfter?: string;
}

/** Adds `--policy` and `--stale-after`. */
export function withTerms(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--policy <policy>',
        'what waits for "federate review": as little as is safe, what is dangerous (the default), every new key',
      ).choices(['auto', 'ask-on-dangerous', 'ask-always']),
    )
    .option(
      '--stale-after <duration>',
      'after so long without a good poll the peer is not trusted until the next one, for instance 7d; never by default',
    );
}

/** The duration in whole seconds. Throws `UsageError`. */
export function staleAfterSeconds(text: string): number {
  const seconds = Math.round(durationOf(text, '--stale-after') / 1000);
  if (seconds < 1) throw new UsageError('--stale-after is a second at least');
  return seconds;
}
