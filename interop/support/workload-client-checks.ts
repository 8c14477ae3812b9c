import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { presentCa } from '../../testkit/agent-process.ts';
import { Child } from './child.ts';
import type { InteropCheck } from './program.ts';
import { startWorkloadAgent, tokenOfPeer } from './workload-agent.ts';

/** Starts a client of `interop/workload-clients`, given the executable that was found and what it is asked to do. */
type StartClient = (executable: string, words: readonly string[]) => Child;

/** What a Workload API client of another language gets from the socket of an agent. All of them take the same words and answer alike. */
export function workloadClientChecks(start: StartClient): readonly InteropCheck[] {
  const ask = async (executable: string, ...words: string[]): Promise<Record<string, unknown>> => {
    await using child = start(executable, words);
    await child.ended();
    const [line] = child.lines;
    assert(line, `it said nothing: ${child.err}`);
    return line;
  };
  return [
    {
      name: 'X.509 bundles and JWT bundles, ours and a peer’s; ValidateJWTSVID tells a genuine token from others',
      run: async (executable) => {
        await using ours = await startWorkloadAgent({ givesSvid: false });
        assert.deepEqual(await ask(executable, 'bundles', ours.socket), {
          x509: { 'a.example': 1, 'b.example': 1 },
          jwt: { 'a.example': 0, 'b.example': 1 },
        });
        const validate = (token: string, audience: string) =>
          ask(executable, 'validate', ours.socket, audience, token);
        assert.equal((await validate(tokenOfPeer(), 'us'))['id'], 'spiffe://b.example/w');
        assert.match(String((await validate(tokenOfPeer(), 'them'))['error']), /audience-mismatch/);
        const forged = await validate(tokenOfPeer({ forged: true }), 'us');
        assert.match(String(forged['error']), /signature-invalid/);
      },
    },
    {
      name: 'its X509Source where the agent gives its SVID, and none where it does not',
      run: async (executable) => {
        await using giving = await startWorkloadAgent({ givesSvid: true });
        assert.deepEqual(await ask(executable, 'source', giving.socket), {
          id: 'spiffe://a.example/federate',
          peer: 1,
        });
        await using keeping = await startWorkloadAgent({ givesSvid: false });
        assert.notEqual((await ask(executable, 'source', keeping.socket))['error'], undefined);
      },
    },
    {
      name: 'its watcher sees a rotation, and the next one after the agent was killed and came back',
      run: async (executable) => {
        await using ours = await startWorkloadAgent({ givesSvid: true });
        await using watching = start(executable, ['watch', ours.socket]);
        const sees = (roots: number) =>
          watching.until(`${roots} roots of ours`, () => {
            const { x509 } = watching.lines.at(-1) ?? {};
            return isDeepStrictEqual(x509, { 'a.example': roots, 'b.example': 1 });
          });
        await sees(1);
        const second = await presentCa('a.example', 'CN=a.example second root');
        ours.home.writeRoots(ours.ca, second);
        await sees(2);
        await ours.agent.end('SIGKILL');
        const again = ours.home.start();
        try {
          await again.untilLogged('own bundle published');
          const third = await presentCa('a.example', 'CN=a.example third root');
          ours.home.writeRoots(ours.ca, second, third);
          await sees(3);
        } finally {
          await again.end('SIGTERM');
        }
      },
    },
  ];
}
