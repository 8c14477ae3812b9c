import assert from 'node:assert/strict';
import { presentCa } from '../../testkit/agent-process.ts';
import { Child } from './child.ts';
import type { InteropCheck } from './program.ts';
import { startWorkloadAgent, tokenOfPeer } from './workload-agent.ts';

async function ask(executable: string, ...words: string[]): Promise<Record<string, unknown>> {
  const child = new Child(executable, ['workload', ...words]);
  await child.ended();
  const [line] = child.lines;
  assert(line, `it said nothing: ${child.err}`);
  return line;
}

/** What go-spiffe's Workload API client gets from the socket of an agent. */
export const workloadChecks: readonly InteropCheck[] = [
  {
    name: 'its Workload API client: X.509 bundles and JWT bundles, ours and a peer’s',
    run: async (executable) => {
      await using agents = await startWorkloadAgent({ givesSvid: false });
      assert.deepEqual(await ask(executable, 'x509-bundles', agents.socket), {
        'a.example': 1,
        'b.example': 1,
      });
      assert.deepEqual(await ask(executable, 'jwt-bundles', agents.socket), {
        'a.example': 0,
        'b.example': 1,
      });
    },
  },
  {
    name: 'its ValidateJWTSVID: a genuine token is accepted, one for another audience or by another key is not',
    run: async (executable) => {
      await using agents = await startWorkloadAgent({ givesSvid: false });
      const validate = (token: string, audience: string) =>
        ask(executable, 'validate', agents.socket, token, audience);
      assert.equal((await validate(tokenOfPeer(), 'us'))['id'], 'spiffe://b.example/w');
      assert.match(String((await validate(tokenOfPeer(), 'them'))['error']), /audience-mismatch/);
      const forged = tokenOfPeer({ forged: true });
      assert.match(String((await validate(forged, 'us'))['error']), /signature-invalid/);
    },
  },
  {
    name: 'its WatchX509Bundles sees a rotation and the removal of a peer',
    run: async (executable) => {
      await using agents = await startWorkloadAgent({ givesSvid: false });
      await using watching = new Child(executable, ['workload', 'watch', agents.socket]);
      await watching.until('both bundles', () => watching.lines.some((line) => line['b.example'] === 1));
      agents.home.writeRoots(agents.ca, await presentCa('a.example', 'CN=a.example second root'));
      await watching.until('our second root', () => watching.lines.at(-1)?.['a.example'] === 2);
      await agents.home.ask('remove', 'b.example');
      await watching.until('the removal', () => watching.lines.at(-1)?.['b.example'] === undefined);
      assert(watching.lines.every((line) => line['error'] === undefined));
    },
  },
  {
    name: 'its X509Source where the agent gives its SVID; PermissionDenied where it does not',
    run: async (executable) => {
      await using giving = await startWorkloadAgent({ givesSvid: true });
      assert.equal((await ask(executable, 'source', giving.socket))['id'], 'spiffe://a.example/federate');
      await using keeping = await startWorkloadAgent({ givesSvid: false });
      const refused = await ask(executable, 'source', keeping.socket);
      assert.match(String(refused['error']), /PermissionDenied|deadline/);
    },
  },
];
