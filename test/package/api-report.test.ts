import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../testkit/temp-dir.ts';
import { DOORS, programOf, ROOT } from '../../tools/api-reference/programs.ts';
import { writeTypes } from '../../tools/build/types.ts';

/** Lines that API Extractor adds for a name of another entry. */
const FORGOTTEN =
  / *\/\/ Warning: \(ae-forgotten-export\) The symbol "(\w+?)(?:_\d+)?" needs to be exported .*\n( *\/\/\n)?/g;

const reports = new Map<string, string>();

beforeAll(async () => {
  using folder = tempDir();
  writeTypes(ROOT, folder.file('types'));
  writeFileSync(folder.file('package.json'), JSON.stringify({ name: 'federate', version: '0.0.0' }));
  const made = DOORS.map(async (door) => [door, await reportOf(folder.path, door)] as const);
  for (const [door, report] of await Promise.all(made)) reports.set(door, report);
});

/** What API Extractor reports about one entry, from its declarations. */
async function reportOf(folder: string, door: string): Promise<string> {
  const types = `types/library/${door}.d.ts`;
  const config = {
    projectFolder: folder,
    mainEntryPointFilePath: join(folder, types),
    newlineKind: 'lf',
    compiler: {
      overrideTsconfig: {
        compilerOptions: {
          target: 'es2022',
          module: 'nodenext',
          lib: ['es2024', 'esnext.disposable'],
          types: ['node'],
          typeRoots: [join(ROOT, 'node_modules/@types')],
          strict: true,
          rootDir: folder,
        },
        files: [types],
      },
    },
    apiReport: {
      enabled: true,
      reportFolder: join(folder, 'reports'),
      reportTempFolder: join(folder, 'reports', door),
      reportFileName: door,
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: {
      extractorMessageReporting: {
        default: { logLevel: 'warning', addToApiReportFile: true },
        'ae-missing-release-tag': { logLevel: 'none' },
      },
      tsdocMessageReporting: { default: { logLevel: 'none' } },
    },
  };
  const path = join(folder, `${door}.json`);
  writeFileSync(path, JSON.stringify(config));
  mkdirSync(join(folder, 'reports', door), { recursive: true });
  const program = programOf('@microsoft/api-extractor', 'bin/api-extractor');
  await promisify(execFile)(process.execPath, [program, 'run', '--local', '--config', path]);
  return readFileSync(join(folder, 'reports', `${door}.api.md`), 'utf8');
}

/** The names that an entry exports. */
function exportsOf(report: string): string[] {
  const lines = report.matchAll(
    /^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const) (\w+)/gm,
  );
  return [...lines].flatMap(([, name]) => name ?? []);
}

describe('the public names of the library', () => {
  it.each(DOORS)('of federate/%s are those in api/, until npm run api accepts a change', async (door) => {
    const report = reports.get(door)?.replaceAll(FORGOTTEN, '');
    expect(report).toContain('```ts');
    expect(report).not.toContain('Warning:');
    await expect(report).toMatchFileSnapshot(join(ROOT, 'api', `${door}.api.md`));
  });

  it('are in the reference of typedoc without a warning (npm run docs:api writes it)', async () => {
    const options = join(ROOT, 'tools/api-reference/typedoc.json');
    const words = [programOf('typedoc', 'bin/typedoc'), '--options', options, '--emit', 'none'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, words, { cwd: ROOT });
    expect(stdout + stderr).not.toMatch(/warning|error/i);
  });

  it('have no type that no entry exports', () => {
    const exported = new Set([...reports.values()].flatMap(exportsOf));
    expect(exported.size).toBeGreaterThan(100);
    const forgotten = [...reports.values()].flatMap((report) =>
      [...report.matchAll(FORGOTTEN)].flatMap(([, name]) => name ?? []),
    );
    expect(forgotten.length).toBeGreaterThan(0);
    expect(forgotten.filter((name) => !exported.has(name))).toEqual([]);
  });
});
