import { linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { clearCallerProofs, offerCallerProof, provedCaller, systemRandom } from '../../src/platform/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const NAME = 'ab'.repeat(16);

it('proves the user ID of the caller once', async () => {
  using folder = tempDir();
  const socket = folder.file('admin.sock');
  const proof = await offerCallerProof(socket, systemRandom);
  expect(await provedCaller(socket, proof?.name ?? '')).toBe(process.getuid?.());
  expect(await provedCaller(socket, proof?.name ?? '')).toBeUndefined();
  expect(readdirSync(folder.path)).toEqual([]);
});

it('leaves no file of a call that was never read', async () => {
  using folder = tempDir();
  const proof = await offerCallerProof(folder.file('admin.sock'), systemRandom);
  expect(readdirSync(folder.path)).toHaveLength(1);
  await proof?.end();
  expect(readdirSync(folder.path)).toEqual([]);
});

it('offers none where the folder is missing, and takes no file that is there for another one', async () => {
  using folder = tempDir();
  expect(await offerCallerProof(folder.file('missing/admin.sock'), systemRandom)).toBeUndefined();
  const sameBytes = { ...systemRandom, bytes: () => Buffer.from(NAME, 'hex') };
  writeFileSync(folder.file(`admin.sock.${NAME}.caller`), '');
  expect(await offerCallerProof(folder.file('admin.sock'), sameBytes)).toBeUndefined();
});

it.each([
  ['a link', (path: string, other: string) => symlinkSync(other, path)],
  ['a second name of a file of somebody else', (path: string, other: string) => linkSync(other, path)],
  ['a file with content', (path: string) => writeFileSync(path, 'x')],
  ['a folder', (path: string) => mkdirSync(path)],
  ['nothing', () => {}],
])('%s proves nothing', async (_what, make) => {
  using folder = tempDir();
  writeFileSync(folder.file('other'), '');
  make(folder.file(`admin.sock.${NAME}.caller`), folder.file('other'));
  expect(await provedCaller(folder.file('admin.sock'), NAME)).toBeUndefined();
});

it.each([
  '',
  '../../etc/passwd',
  'AB'.repeat(16),
  `${NAME}0`,
  `${NAME}\n`,
])('reads no file of the name %j', async (name) => {
  using folder = tempDir();
  writeFileSync(folder.file(`admin.sock.${name.replaceAll('/', '_')}.caller`), '');
  expect(await provedCaller(folder.file('admin.sock'), name)).toBeUndefined();
});

it('clears what callers left, and nothing else', async () => {
  using folder = tempDir();
  for (const file of [`admin.sock.${NAME}.caller`, 'admin.sock.old.caller', `other.sock.${NAME}.caller`])
    writeFileSync(folder.file(file), '');
  await clearCallerProofs(folder.file('admin.sock'));
  expect(readdirSync(folder.path).sort()).toEqual(['admin.sock.old.caller', `other.sock.${NAME}.caller`]);
});
