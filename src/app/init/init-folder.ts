import { existsSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { checkConfigWithFiles, ConfigError, type ConfigNote } from '../../config/index.ts';
import { defined } from '../../objects/index.ts';
import { readRegularFileSync, systemClock, systemEnvironment, systemRandom } from '../../platform/index.ts';
import { type Answers, type Ask, InitError } from './answers.ts';
import { type Choices, completeAnswers, makesTrialCa } from './complete-answers.ts';
import { createPortChooser } from './choose-port.ts';
import { FILE_NAMES, planFolder } from './plan-folder.ts';
import { lookAround, type Surroundings } from './surroundings.ts';
import { makeTrialIdentity } from './trial-ca.ts';
import { type PlannedFile, prepareFolder, refuseExisting, writeFiles } from './write-folder.ts';

/** The longest path of a Unix socket on Linux, without its final NUL. */
const MAX_SOCKET_BYTES = 107;

/** What `initFolder` is to do, and with whom it speaks. */
export interface InitRequest {
  readonly folder: string;
  readonly answers: Answers;
  /** Undefined: the usual answers count. */
  readonly ask: Ask | undefined;
  /** Whether a config that is there may be replaced. A trial CA always stays. */
  readonly force: boolean;
  /** Takes each sentence about what was found, before the first question. */
  readonly report: (sentence: string) => void;
}

/** What was written, and how it was chosen. */
export interface InitResult {
  readonly folder: string;
  /** Names in the folder, the config last. */
  readonly files: readonly string[];
  readonly choices: Choices;
  readonly madeTrialCa: boolean;
  /** The control plane to start before the agent, if it is a simulated one. */
  readonly simulated: 'istio' | 'consul' | undefined;
  readonly notes: readonly ConfigNote[];
}

/**
 * Sets up a folder for one agent: looks around, completes the answers, and writes a config that
 * `federate check-config` accepts. Writes nothing where anything is wrong. Rejects with `InitError`,
 * `ConfigError`, and the errors of answers that cannot be parsed.
 */
export async function initFolder(
  request: InitRequest,
  look: () => Promise<Surroundings> = () => lookAround(systemEnvironment, systemClock),
): Promise<InitResult> {
  const folder = resolve(request.folder);
  refuseLongPath(folder);
  const configFile = join(folder, FILE_NAMES.config);
  if (!request.force) refuseExisting(folder, [FILE_NAMES.config]);
  const found = await look();
  for (const sentence of found.report) request.report(`Found ${sentence}.`);
  const ports = createPortChooser(folder);
  const before = addressBefore(configFile);
  const choices = await completeAnswers(request.answers, { folder, found, ask: request.ask, ports, before });
  const plan = await planFolder(choices, { ports, random: systemRandom });
  const isTrial = makesTrialCa(choices);
  if (!request.force) refuseExisting(folder, plan.mesh ? [FILE_NAMES.mesh] : []);
  if (!request.force && isTrial)
    refuseExisting(folder, [FILE_NAMES.root, FILE_NAMES.rootKey, FILE_NAMES.svid, FILE_NAMES.svidKey]);
  const files: readonly PlannedFile[] = [
    ...(isTrial ? await trialFiles(folder, choices.trustDomain ?? '') : []),
    ...(plan.mesh ? [{ name: FILE_NAMES.mesh, text: plan.mesh.text, mode: 0o644 }] : []),
    { name: FILE_NAMES.config, text: plan.config, mode: 0o644 },
  ];
  const madeFolder = await prepareFolder(folder);
  let notes: readonly ConfigNote[] = [];
  try {
    await writeFiles(folder, files, async () => {
      if (plan.mesh)
        await checkConfigWithFiles(plan.mesh.kind, join(folder, FILE_NAMES.mesh), {
          content: plan.mesh.text,
        });
      // A simulated control plane makes the kubeconfig or the token that the config names.
      const withoutFiles = plan.mesh !== undefined;
      notes = await checkConfigWithFiles('agent', configFile, { content: plan.config, withoutFiles });
    });
  } catch (error) {
    if (madeFolder) await rmdir(folder).catch(() => {});
    if (!(error instanceof ConfigError)) throw error;
    const message = `these answers make no good config, and nothing was written: ${error.message}`;
    throw new ConfigError(error.code, message, error.mistakes, { cause: error });
  }
  return {
    folder,
    files: files.map(({ name }) => name),
    choices,
    madeTrialCa: isTrial,
    simulated:
      plan.mesh?.kind === 'simulated-istio'
        ? 'istio'
        : plan.mesh?.kind === 'simulated-consul'
          ? 'consul'
          : undefined,
    notes,
  };
}

async function trialFiles(folder: string, trustDomain: string): Promise<PlannedFile[]> {
  const before = { root: join(folder, FILE_NAMES.root), key: join(folder, FILE_NAMES.rootKey) };
  const isThere = existsSync(before.root) || existsSync(before.key);
  const made = await makeTrialIdentity(trustDomain, isThere ? before : undefined, systemClock);
  return [
    { name: FILE_NAMES.rootKey, text: made.rootKeyPem, mode: 0o600 },
    { name: FILE_NAMES.root, text: made.rootPem, mode: 0o644 },
    { name: FILE_NAMES.svidKey, text: made.svidKeyPem, mode: 0o600 },
    { name: FILE_NAMES.svid, text: made.svidPem, mode: 0o644 },
  ];
}

/** The addresses of the agent in the replaced config; none where that cannot be read. */
function addressBefore(file: string): { readonly url?: string; readonly listen?: string } {
  try {
    const { endpoint } = Object(parse(readRegularFileSync(file).toString('utf8')));
    const { url, listen } = Object(endpoint) as { readonly url?: unknown; readonly listen?: unknown };
    return defined({
      url: typeof url === 'string' ? url : undefined,
      listen: typeof listen === 'string' ? listen : undefined,
    });
  } catch {
    return {};
  }
}

function refuseLongPath(folder: string): void {
  const socket = join(folder, 'agent-sds.sock');
  if (Buffer.byteLength(socket) <= MAX_SOCKET_BYTES) return;
  throw new InitError(
    'init-folder-unusable',
    `the path of the folder is too long for a socket in it: ${JSON.stringify(socket)} has ${Buffer.byteLength(socket)} bytes, and ${MAX_SOCKET_BYTES} are possible`,
  );
}
