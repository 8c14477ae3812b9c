import { spawn, spawnSync } from 'node:child_process';

/** Whether a shell is on this machine. The tests of the others are named in docs/cli.md as not run in the gate. */
export function hasShell(name: string): boolean {
  return spawnSync(name, ['-c', 'exit 0']).status === 0;
}

/** What a script prints in a shell that has `environment`; standard error is part of it. */
export function runIn(
  shell: readonly [program: string, ...words: string[]],
  script: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  return new Promise((done, reject) => {
    const [program, ...words] = shell;
    const child = spawn(program, [...words, script], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.on('error', reject);
    child.on('close', () => done(text));
  });
}
