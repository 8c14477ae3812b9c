import { tempDir } from '../testkit/temp-dir.ts';
import { writeBenchFiles } from './support/bench-files.ts';
import type { Bench } from './support/measure.ts';
import { firstLine, startProgram } from './support/process.ts';

interface WaitingResult {
  readonly good: number;
  readonly openMs: number;
  readonly bytesPerClient: number;
  readonly wakeMs: number;
}

/** Ten thousand clients that wait at one endpoint for its bundle to change (`Prefer: wait`): what they cost, and when the last has heard. */
export const waiting: Bench = {
  name: 'waiting',
  async run({ quick }) {
    using folder = tempDir();
    const clients = quick ? 1000 : 10_000;
    const files = await writeBenchFiles(folder.path);
    await using server = startProgram(new URL('./programs/waiting-server.ts', import.meta.url), {
      files,
      clients,
    });
    const { port } = await firstLine<{ port: number }>(server);
    await using load = startProgram(new URL('./programs/waiting-load.ts', import.meta.url), {
      port,
      clients,
      serverPid: server.process.pid,
    });
    const { good, openMs, bytesPerClient, wakeMs } = await firstLine<WaitingResult>(load);
    if (good !== clients) throw new Error(`${good} of ${clients} clients heard of the change`);
    return [
      {
        what: `memory per waiting client, of ${clients}`,
        value: `${(bytesPerClient / 1000).toFixed(0)} KB`,
        note: `their handshakes took ${(openMs / 1000).toFixed(1)} s`,
      },
      {
        what: 'from a change until the last has heard',
        value: `${(wakeMs / 1000).toFixed(1)} s`,
        note: 'woken a few at a time, since each comes back for a handshake',
      },
    ];
  },
};
