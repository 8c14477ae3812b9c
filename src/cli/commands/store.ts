import { type Command, Option } from 'commander';
import type { CopyProgress, StoreFacts } from '../../store/index.ts';
import { CodedError } from '../../errors/index.ts';
import { type AgentOptions, agentFor, withAgent, withOutput } from '../agent-options.ts';
import { sizeText } from '../byte-text.ts';
import { exitCodes } from '../exit-codes.ts';
import { withProgress } from '../progress.ts';
import { renderFields } from '../table.ts';
import { type OutputFormat, type Terminal, UsageError } from '../terminal.ts';
import type { View } from '../view.ts';

interface PlaceOptions {
  readonly store?: string;
  readonly config?: string;
}

interface BackupOptions extends AgentOptions, PlaceOptions {
  readonly force?: boolean;
}

interface RestoreOptions extends PlaceOptions {
  readonly sha256?: string;
  readonly evenIfUnsound?: boolean;
  readonly output: OutputFormat;
}

/** Writing a large store again takes long, and the agent answers after it. */
const COMPACT_MS = 30 * 60_000;

/** `federate store`: back up, restore and compact the file in which the agent keeps everything. */
export function storeCommand(program: Command, terminal: Terminal): void {
  const store = program
    .command('store')
    .description('the file with relationships, bundles and history: back it up, restore it, compact it');
  addBackup(store, terminal);
  addRestore(store, terminal);
  addCompact(store, terminal);
}

function addBackup(store: Command, terminal: Terminal): void {
  withPlace(withAgent(store.command('backup <file>')))
    .description('copy the store into one file and verify the copy; the agent may run or not')
    .option('--force', 'replace the file, which then changes in one step')
    .addHelpText(
      'after',
      `
Without --store and --config the agent says where its store is. The file is read
by this command itself, as the user of the agent. The copy has mode 0600.
Exit code 1 when the history in the copy is not what was written.

Examples:
  $ federate store backup /backup/federate.db
  $ federate store backup /backup/federate.db --force --output json | jq -r .sha256
  $ federate store backup copy.db --config /etc/federate/agent.yaml`,
    )
    .action(async (file: string, options: BackupOptions) => {
      const place =
        (await namedStore(options))?.store ?? (await agentFor(options).call('GET /v1/history/place')).store;
      const { backUpStore } = await import('../../store/index.ts');
      const made = await untilCalledOff(terminal, 'backing up', ({ onProgress, signal }) =>
        backUpStore({ store: place, file, replace: options.force === true, onProgress, signal }),
      );
      const facts = terminal.clean(made.facts);
      terminal.result({ store: made.store, file: made.file, ...describe(facts) }, (view) =>
        [
          `Backed up ${made.store} to ${made.file}, and verified the copy.`,
          renderFields(factsText(facts, view), view),
          ...verdict(facts),
        ].join('\n'),
      );
      if (facts.report.found !== 0) terminal.exitCode = exitCodes.failed;
    });
}

function addRestore(store: Command, terminal: Terminal): void {
  withPlace(withOutput(store.command('restore <file>')))
    .description('put a backup in the place of the store of a stopped agent; the replaced store stays')
    .option('--sha256 <digest>', 'restore only a file with this SHA-256, as "store backup" printed it')
    .option('--even-if-unsound', 'restore a history that is not what was written; never a damaged file')
    .addHelpText(
      'after',
      `
The backup is copied and checked before anything is replaced. Then one step
replaces the store. The old one stays next to it, with the time in its name.

Examples:
  $ systemctl stop federate
  $ federate store restore /backup/federate.db --config /etc/federate/agent.yaml
  $ systemctl start federate`,
    )
    .action(async (file: string, options: RestoreOptions) => {
      const { sha256 } = options;
      if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
        throw new UsageError('--sha256 is a digest of 64 hexadecimal digits');
      const place = await namedStore(options);
      if (!place) throw new UsageError('the agent is stopped: name its --config, or its --store');
      const { restoreStore } = await import('../../store/index.ts');
      const restored = await untilCalledOff(terminal, 'restoring', ({ onProgress, signal }) =>
        restoreStore({
          file,
          ...place,
          sha256: sha256?.toLowerCase(),
          evenIfUnsound: options.evenIfUnsound === true,
          onProgress,
          signal,
          clock: terminal.clock,
        }),
      );
      const facts = terminal.clean(restored.facts);
      const document = {
        store: restored.store,
        file,
        replaced_store: restored.keptAs ?? null,
        ...describe(facts),
      };
      terminal.result(document, (view) =>
        [
          `Restored ${file} as ${restored.store}.`,
          renderFields([...factsText(facts, view), ['old store', restored.keptAs]], view),
          ...verdict(facts),
        ].join('\n'),
      );
    });
}

function addCompact(store: Command, terminal: Terminal): void {
  withPlace(withAgent(store.command('compact')))
    .description('write the store again without unused room; the history stays as it is')
    .addHelpText(
      'after',
      `
Without --store and --config the running agent does it. It stands still meanwhile,
about a second for each 100 MB. The disk needs room for a second copy.

Examples:
  $ federate store compact
  $ federate store compact --config /etc/federate/agent.yaml   # the agent is stopped`,
    )
    .action(async (options: AgentOptions & PlaceOptions) => {
      const place = await namedStore(options);
      const compacted = await untilCalledOff(terminal, 'compacting', ({ signal }) =>
        place
          ? compactFile(place.store, terminal)
          : agentFor(options, { timeoutMs: COMPACT_MS, signal }).call('POST /v1/store/compact'),
      );
      terminal.result(compacted, () => {
        const { store: file, bytes_before: before, bytes_after: after } = compacted;
        return `Compacted ${file}: ${sizeText(before)} before, ${sizeText(after)} after.`;
      });
    });
}

async function compactFile(path: string, { clock }: Terminal) {
  const { openSqliteStore } = await import('../../store/index.ts');
  const { silentLog } = await import('../../platform/index.ts');
  await using opened = await openSqliteStore({ path, clock, log: silentLog });
  const { bytesBefore, bytesAfter } = await opened.compact();
  return { store: path, bytes_before: bytesBefore, bytes_after: bytesAfter };
}

function withPlace(command: Command): Command {
  return command
    .addOption(new Option('--store <file>', 'the store').conflicts('config'))
    .option('-c, --config <file>', 'the config of the agent, which names its store');
}

/** The store that the options name; undefined where only the agent knows it. */
async function namedStore({ store, config: file }: PlaceOptions) {
  if (store !== undefined) return { store, trustDomain: undefined };
  if (file === undefined) return undefined;
  const { agentConfigSchema, readConfig } = await import('../../config/index.ts');
  const { config } = readConfig(file, agentConfigSchema);
  return { store: config.store, trustDomain: config.trust_domain };
}

/** Runs the work with its progress, and calls it off when the reader ends the command. */
async function untilCalledOff<Result>(
  terminal: Terminal,
  what: string,
  work: (around: { readonly onProgress: CopyProgress; readonly signal: AbortSignal }) => Promise<Result>,
): Promise<Result> {
  const ended = new AbortController();
  const stopListening = terminal.onInterrupt(() =>
    ended.abort(new CodedError('called-off', 'the command was interrupted; nothing was changed')),
  );
  try {
    return await withProgress(terminal, what, (report) =>
      work({
        signal: ended.signal,
        onProgress: ({ step, done, total }) =>
          report(step === 'verifying' ? 'verifying' : `${percent(done, total)} %`),
      }),
    );
  } finally {
    stopListening();
  }
}

function percent(done: number, total: number): number {
  return total === 0 ? 100 : Math.floor((100 * done) / total);
}

function describe(facts: StoreFacts) {
  const { report } = facts;
  return {
    bytes: facts.bytes,
    sha256: facts.sha256,
    trust_domain: facts.trustDomain ?? null,
    shape: facts.shape,
    newest_event_at: facts.newestEventAt?.toISOString() ?? null,
    relationships: facts.relationships,
    versions: facts.versions,
    events: facts.events,
    links: report.links,
    sound: report.found === 0,
    findings: report.findings.map(({ code, row = null, message }) => ({ code, row, message })),
    found: report.found,
  };
}

function factsText(facts: StoreFacts, view: View): [string, string | undefined][] {
  return [
    ['trust domain', facts.trustDomain ?? 'none yet'],
    [
      'holds',
      `${facts.relationships} relationships, ${facts.versions} versions, ${facts.events} events, ${facts.report.links} links`,
    ],
    ['newest event', facts.newestEventAt && view.at(facts.newestEventAt)],
    ['size', sizeText(facts.bytes)],
    ['SHA-256', facts.sha256],
  ];
}

function verdict({ report }: StoreFacts): string[] {
  if (report.found === 0) return [];
  return [
    '',
    `NOT SOUND: ${report.found === 1 ? 'one thing is' : `${report.found} things are`} wrong in its history.`,
    ...report.findings.slice(0, 5).map(({ code, message }) => `  ${message} [${code}]`),
    '  See all of it with "federate history verify FILE".',
  ];
}
