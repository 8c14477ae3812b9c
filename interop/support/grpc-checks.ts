import { isDeepStrictEqual } from 'node:util';
import { presentCa } from '../../testkit/agent-process.ts';
import { Child } from './child.ts';
import type { InteropCheck } from './program.ts';
import { startWorkloadAgent } from './workload-agent.ts';

/** gRPC's own SPIFFE verification, without a proxy: what it reads from the folder of the files adapter. */
export const grpcChecks: readonly InteropCheck[] = [
  {
    name: 'grpc-go’s `file_watcher` follows grpc-bundles.json, through a rotation and the removal of a peer',
    run: async (executable) => {
      await using ours = await startWorkloadAgent({ givesSvid: false });
      await using watching = new Child(executable, [
        'grpc-bundles',
        ours.home.file('foreign/grpc-bundles.json'),
      ]);
      const sees = (roots: Readonly<Record<string, number>>) =>
        watching.until(JSON.stringify(roots), () => isDeepStrictEqual(watching.lines.at(-1), roots));
      await sees({ 'a.example': 1, 'b.example': 1 });
      ours.home.writeRoots(ours.ca, await presentCa('a.example', 'CN=a.example second root'));
      await sees({ 'a.example': 2, 'b.example': 1 });
      await ours.home.ask('remove', 'b.example');
      await sees({ 'a.example': 2 });
    },
  },
];
