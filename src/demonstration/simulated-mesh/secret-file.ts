import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from '../../errors/index.ts';
import { type Random, writeDurably } from '../../platform/index.ts';

/**
 * The secret in the file `path`, made (mode 0600, 256 random bits) where there is none. Throws the
 * system's error.
 */
export async function secretFromFile(path: string, random: Random): Promise<string> {
  try {
    const secret = (await readFile(path, 'utf8')).trim();
    if (secret !== '') return secret;
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  const secret = Buffer.from(random.bytes(32)).toString('hex');
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeDurably(path, `${secret}\n`, 0o600);
  return secret;
}
