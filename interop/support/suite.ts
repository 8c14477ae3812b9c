import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** How one test of a file went. */
export interface SuiteResult {
  readonly name: string;
  /** What it said; undefined for a test that passed. */
  readonly failure: string | undefined;
}

interface Report {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Runs the tests of a file with the executables in its environment variables. A test that is left out counts as failed: it was asked for. */
export function runSuite(file: string, env: Readonly<Record<string, string>>): readonly SuiteResult[] {
  const folder = mkdtempSync(join(tmpdir(), 'federate-interop-'));
  try {
    const report = join(folder, 'report.json');
    const words = [
      'node_modules/vitest/vitest.mjs',
      'run',
      file,
      '--reporter=json',
      `--outputFile=${report}`,
    ];
    const { stderr } = spawnSync(process.execPath, words, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      timeout: 600_000,
    });
    const results = read(report, stderr).testResults.flatMap(({ message, assertionResults }) =>
      assertionResults.length === 0
        ? [{ name: file, failure: message }]
        : assertionResults.map(({ title, status, failureMessages }) => ({
            name: title,
            failure:
              status === 'passed'
                ? undefined
                : [status, message, ...failureMessages].join(': ').slice(0, 2000),
          })),
    );
    return results.length > 0 ? results : [{ name: file, failure: stderr.slice(-2000) }];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function read(path: string, stderr: string): Report {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Report;
  } catch (cause) {
    throw new Error(`the tests left no report: ${stderr.slice(-2000)}`, { cause });
  }
}
