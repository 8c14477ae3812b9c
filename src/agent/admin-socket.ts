import { type AdminApi, AdminServer } from '../admin/index.ts';
import { keepSocket, type NotReady, type ProcessContext } from '../platform/index.ts';

/**
 * The admin socket, whose file is put back when it is taken away: else no operator could reach the
 * agent.
 */
export function createAdminSocket(
  path: string,
  api: AdminApi & { readonly notReady: NotReady },
  { clock, log }: Pick<ProcessContext, 'clock' | 'log'>,
): { start(): Promise<void>; stop(): Promise<void> } {
  const server = new AdminServer({ path, ...api });
  const stopping = new AbortController();
  const { signal } = stopping;
  let keeping: Promise<void> | undefined;
  return {
    start: async () => {
      await server.start();
      keeping = keepSocket({ path, reopen: () => server.reopen(), clock, log, signal });
    },
    stop: async () => {
      stopping.abort();
      await keeping;
      await server.stop();
    },
  };
}
