import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kuma } from '../../interop/programs/kuma.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const STAND_IN = join(import.meta.dirname, 'kuma-stand-in.ts');

/** The product could not be had; so that its checks are known to work, they run with what the tests have in its place. */
describe('the checks of interop/programs/kuma.ts with a stand-in', () => {
  it.each(kuma.checks ?? [])('$name', async ({ run }) => {
    using folder = tempDir();
    const executable = folder.file('kuma-cp');
    writeFileSync(executable, `#!/bin/sh\nexec "${process.execPath}" "${STAND_IN}" "$@"\n`, { mode: 0o755 });
    await expect(run(executable)).resolves.toBeUndefined();
  });
});
