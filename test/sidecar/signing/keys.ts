import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import type { SigningAlgorithm } from '../../../src/demonstration/sidecar/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import type { World } from '../support.ts';

/** Key files of both sides, which end with the test. */
export function keyFiles(world: World, algorithm: SigningAlgorithm, id = 'key-1') {
  const folder = tempDir();
  world.add(() => folder[Symbol.dispose]());
  const write = (name: string, text: string, mode = 0o600) => {
    const file = folder.file(name);
    writeFileSync(file, text, { mode });
    chmodSync(file, mode);
    return file;
  };
  if (algorithm === 'hmac-sha256') {
    const file = write('secret', `${randomBytes(32).toString('base64')}\n`);
    return { sign: { id, algorithm, file }, verify: { id, algorithm, file }, write };
  }
  const pair =
    algorithm === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    sign: {
      id,
      algorithm,
      file: write('private.pem', String(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }))),
    },
    verify: {
      id,
      algorithm,
      file: write('public.pem', String(pair.publicKey.export({ format: 'pem', type: 'spki' })), 0o644),
    },
    write,
  };
}
