import { AdminServer } from '../src/admin/index.ts';
import type { Store } from '../src/store/index.ts';
import { stubAdmin } from './admin-handlers.ts';
import { openTestStore } from './open-test-store.ts';
import { tempDir } from './temp-dir.ts';

type Given = Parameters<typeof stubAdmin>[1];
type Agent = Parameters<typeof stubAdmin>[2];

/** An admin socket in a folder of its own. `pause` stops the server, and `resume` starts it again. */
export interface ServedAdmin extends AsyncDisposable {
  readonly path: string;
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** Serves what `stubAdmin` makes of the arguments. */
export async function serveAdmin(given: Given = {}, agent: Agent = {}, filled?: Store): Promise<ServedAdmin> {
  const store = filled ?? (await openTestStore());
  const folder = tempDir();
  const path = folder.file('admin.sock');
  const start = async () => {
    const server = new AdminServer({ path, ...stubAdmin(store, given, agent) });
    await server.start();
    return server;
  };
  let server: AdminServer | undefined = await start();
  const pause = async () => {
    await server?.stop();
    server = undefined;
  };
  return {
    path,
    pause,
    resume: async () => {
      server ??= await start();
    },
    [Symbol.asyncDispose]: async () => {
      await pause();
      folder[Symbol.dispose]();
    },
  };
}
