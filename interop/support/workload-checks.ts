import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { bundleOf, serializeBundle } from '../../src/spiffe/index.ts';
import { presentCa } from '../../test/e2e/agent-process.ts';
import { createTokenKey, signToken } from '../../test/support/test-tokens.ts';
import { type Agents, startAgents } from './agents.ts';
import { Child } from './child.ts';
import type { InteropCheck } from './program.ts';

const key = createTokenKey('P-256', 'b1');

/** An agent with a workload socket, and a peer whose bundle with a JWT key came as a file. */
async function federated(givesSvid: boolean): Promise<Agents & { readonly socket: string }> {
  const config = { workload_api: { socket: 'workload.sock', give_own_svid: givesSvid } };
  const agents = await startAgents([{ trustDomain: 'a.example', profile: 'https_spiffe', config }]);
  const [ours] = agents.all;
  assert(ours);
  const peer = await presentCa('b.example', 'CN=B');
  const bundle = bundleOf(peer.trustDomain, [peer.authority], {
    jwtAuthorities: [key.authority],
    sequence: 1n,
  });
  writeFileSync(agents.file('b.json'), serializeBundle(bundle));
  // Nobody answers at that address: the bundle is the operator's.
  const words = [
    '--peer',
    'https://127.0.0.1:9/',
    '--trust-domain',
    'b.example',
    '--profile',
    'https_spiffe',
  ];
  const proof = ['--endpoint-id', 'spiffe://b.example/endpoint', '--bundle', agents.file('b.json')];
  await ours.home.ask('add', ...words, ...proof);
  return { ...agents, socket: ours.home.file('workload.sock') };
}

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
      await using agents = await federated(false);
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
      await using agents = await federated(false);
      const now = Math.floor(Date.now() / 1000);
      const claims = { sub: 'spiffe://b.example/w', aud: ['us'], iat: now - 10, exp: now + 300 };
      const validate = (token: string, audience: string) =>
        ask(executable, 'validate', agents.socket, token, audience);
      assert.equal((await validate(signToken(key, { claims }), 'us'))['id'], 'spiffe://b.example/w');
      assert.match(
        String((await validate(signToken(key, { claims }), 'them'))['error']),
        /audience-mismatch/,
      );
      const forged = signToken({ ...createTokenKey('P-256'), authority: key.authority }, { claims });
      assert.match(String((await validate(forged, 'us'))['error']), /signature-invalid/);
    },
  },
  {
    name: 'its WatchX509Bundles sees a rotation and the removal of a peer',
    run: async (executable) => {
      await using agents = await federated(false);
      const [ours] = agents.all;
      assert(ours);
      await using watching = new Child(executable, ['workload', 'watch', agents.socket]);
      await watching.until('both bundles', () => watching.lines.some((line) => line['b.example'] === 1));
      ours.home.writeRoots(ours.ca, await presentCa('a.example', 'CN=a.example second root'));
      await watching.until('our second root', () => watching.lines.at(-1)?.['a.example'] === 2);
      await ours.home.ask('remove', 'b.example');
      await watching.until('the removal', () => watching.lines.at(-1)?.['b.example'] === undefined);
      assert(watching.lines.every((line) => line['error'] === undefined));
    },
  },
  {
    name: 'its X509Source where the agent gives its SVID; PermissionDenied where it does not',
    run: async (executable) => {
      await using giving = await federated(true);
      assert.equal((await ask(executable, 'source', giving.socket))['id'], 'spiffe://a.example/federate');
      await using keeping = await federated(false);
      const refused = await ask(executable, 'source', keeping.socket);
      assert.match(String(refused['error']), /PermissionDenied|deadline/);
    },
  },
];
