import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { checkConfigWithFiles, ConfigError } from '../../config/index.ts';
import { messageOf } from '../../errors/index.ts';
import type { Finding } from '../../mesh-adapters/index.ts';
import { type Checked, NOTHING_CHECKED, problem, remark, type Subject } from './subject.ts';

/** Less room than this, and the agent soon cannot keep what it learns. */
const LEAST_FREE_BYTES = 64 * 1024 * 1024;
const LEAST_FREE_FOR_SOCKETS_BYTES = 64 * 1024;
const LEAST_FREE_FILES = 64;

/** The config and every file that it names, as `check-config` looks at them: ends, modes, pairs. */
export async function checkConfigFiles({ loaded, clock }: Subject): Promise<Checked> {
  if (!loaded) return NOTHING_CHECKED;
  const { file } = loaded;
  const examined = [`config ${file} and the files it names`];
  try {
    const notes = await checkConfigWithFiles('agent', file, { now: clock.now() });
    return {
      examined,
      findings: notes.map(({ level, code, message }) =>
        level === 'note' ? remark(code, message) : problem(code, message),
      ),
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { code, mistakes } = error;
    const findings = mistakes.map(({ path, line, message }) =>
      problem(code, `${line === undefined ? '' : `line ${line}: `}${path}: ${message}`, { where: file }),
    );
    return { examined, findings };
  }
}

/** Who else may open the store and the admin socket. */
export function checkModes({ loaded, storePath }: Subject): Checked {
  const findings = [
    ...modeOf(storePath, 'store-open-to-others', 'the store holds our history'),
    ...modeOf(
      loaded?.config.admin_socket,
      'socket-open-to-others',
      'every process that may open the admin socket may change trust',
    ),
  ];
  return { examined: ['file modes of store and admin socket'], findings };
}

function modeOf(path: string | undefined, code: string, why: string): Finding[] {
  const found = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!found || (found.mode & 0o077) === 0) return [];
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  return [
    problem(code, `${path} may be opened by other users (mode ${mode}): ${why}`, {
      advice: `chmod 600 ${path}`,
    }),
  ];
}

/** The room on the disks of the store and of the admin socket. */
export function checkDisks({ loaded, storePath }: Subject): Checked {
  const folders = new Map<string, string>();
  if (storePath !== undefined) folders.set(dirname(storePath), 'store');
  const socket = loaded?.config.admin_socket;
  if (socket !== undefined && !folders.has(dirname(socket))) folders.set(dirname(socket), 'admin socket');
  const checked = [...folders].map(([folder, what]) => diskOf(folder, what, storePath));
  return {
    examined: checked.flatMap((each) => each.examined),
    findings: checked.flatMap((each) => each.findings),
  };
}

function diskOf(folder: string, what: string, storePath: string | undefined): Checked {
  let disk: ReturnType<typeof statfsSync>;
  try {
    disk = statfsSync(folder);
  } catch (error) {
    return {
      examined: [],
      findings: [
        problem(
          'folder-missing',
          `the folder ${folder} of the ${what} cannot be looked at: ${messageOf(error)}`,
          {
            advice: 'create it, owned by the user of the agent',
          },
        ),
      ],
    };
  }
  const free = disk.bavail * disk.bsize;
  const examined = [`disk of the ${what}: ${Math.floor(free / 1024 / 1024)} MiB free`];
  const advice = 'free the disk, or move the store to a larger one';
  // A folder of sockets needs no room to grow, and is often a small file system in memory.
  if (free < (what === 'store' ? LEAST_FREE_BYTES : LEAST_FREE_FOR_SOCKETS_BYTES))
    return { examined, findings: [problem('disk-full', `${folder} has ${free} bytes left`, { advice })] };
  if (disk.files > 0 && disk.ffree < LEAST_FREE_FILES)
    return {
      examined,
      findings: [problem('disk-full', `${folder} has room for only ${disk.ffree} more files`, { advice })],
    };
  const size = storePath === undefined ? 0 : (statSync(storePath, { throwIfNoEntry: false })?.size ?? 0);
  if (what !== 'store' || free > 2 * size) return { examined, findings: [] };
  const message = `${folder} has less room than twice the store, which "federate store compact" needs`;
  return { examined, findings: [remark('disk-small', message, { advice })] };
}
