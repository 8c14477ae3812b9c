import { spawn } from 'node:child_process';
import type { Environment } from '../platform/index.ts';

/** less without a file: ends by itself where all fits, keeps colours, leaves the text on the screen. */
const LESS = 'FRX';

/**
 * Gives a text to the pager that `PAGER` names, else to less. Resolves to whether one has shown it.
 */
export function showInPager(text: string, environment: Environment): Promise<boolean> {
  const { PAGER: named = 'less' } = environment;
  if (named.trim() === '' || named.trim() === 'cat') return Promise.resolve(false);
  return new Promise((resolve) => {
    const pager = spawn('sh', ['-c', named], {
      stdio: ['pipe', 'inherit', 'inherit'],
      env: { LESS, ...environment },
    });
    pager.on('error', () => resolve(false));
    // The reader may leave before the end of the text.
    pager.stdin.on('error', () => undefined);
    // 127 and 126: the shell does not find it, or cannot run it.
    pager.on('close', (code) => resolve(code !== 126 && code !== 127));
    pager.stdin.end(`${text}\n`);
  });
}
