import { tempDir } from '../testkit/temp-dir.ts';
import { type Bench, median } from './support/measure.ts';
import { firstLine, startProgram } from './support/process.ts';

interface SweepResult {
  readonly sweeps: readonly { readonly seconds: number; readonly cpuSeconds: number }[];
  readonly bytesPerPeer: number;
}

/** One poll of every one of 10,000 peers: a connection, a verified SVID, a parsed and judged bundle, and a written store each. */
export const sweep: Bench = {
  name: 'sweep',
  async run({ quick }) {
    using folder = tempDir();
    const peers = quick ? 1000 : 10_000;
    const file = folder.file('peers.json');
    // A verifier remembers 4096 peers.
    const svids = quick ? 100 : 5000;
    await using server = startProgram(new URL('./programs/peers-server.ts', import.meta.url), {
      peers,
      svids,
      file,
    });
    const { port } = await firstLine<{ port: number }>(server);
    const options = { file, storePath: folder.file('federate.db'), port, sweeps: quick ? 1 : 3 };
    await using agent = startProgram(new URL('./programs/sweep-agent.ts', import.meta.url), options, [
      '--expose-gc',
    ]);
    const { sweeps, bytesPerPeer } = await firstLine<SweepResult>(agent);
    const [cpu, seconds] = [
      median(sweeps.map((each) => each.cpuSeconds)),
      median(sweeps.map((each) => each.seconds)),
    ];
    // With few peers most of the memory is the program, not the peers, and the time is another: nothing to hold a target against.
    return [
      {
        what: `sweep over ${peers} peers, processor time`,
        value: `${cpu.toFixed(1)} s`,
        ...(quick ? {} : { target: '≤ 10 s', reached: cpu <= 10 }),
        note: `${seconds.toFixed(1)} s by the clock, the endpoints on the other core; ${quick ? 'SVIDs mostly remembered' : 'no SVID remembered from the poll before'}`,
      },
      {
        what: 'memory per peer, resident after the sweeps',
        value: `${(bytesPerPeer / 1000).toFixed(0)} KB`,
        ...(quick ? {} : { target: '≤ 60 KB', reached: bytesPerPeer <= 60_000 }),
      },
    ];
  },
};
