import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { presentCa } from '../../testkit/agent-process.ts';
import { names } from '../../src/demonstration/demo/layout.ts';
import { Child } from '../support/child.ts';
import { federate, withMeshes } from '../support/mesh-workload-checks.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { startWorkloadAgent, tokenOfPeer } from '../support/workload-agent.ts';

/** SPIRE's `spire-agent api`, the command that people look at a workload socket with, at the socket of our agent. */
export const spireAgent: InteropProgram = {
  name: 'spire-agent api',
  variable: 'FEDERATE_SPIRE_AGENT',
  command: 'spire-agent',
  version: (executable) => firstLineOf(executable, ['-version']),
  install: 'a SPIRE release',
  checks: [
    { name: '`fetch x509`: the SVID and the peer’s roots, also as files', run: fetchX509 },
    { name: '`watch` sees a rotation and the removal of a peer', run: watch },
    { name: '`fetch jwt` and `validate jwt`', run: jwt },
    { name: '`healthcheck`', run: healthcheck },
    {
      name: 'the sockets of two simulated meshes: each workload’s SVID, and the roots of the other mesh',
      run: simulatedMeshes,
    },
  ],
};

/** One command to its end, at that socket. */
async function say(executable: string, socket: string, ...words: string[]) {
  const child = new Child(executable, [...words, '-socketPath', socket]);
  const code = await child.ended();
  return { code, out: child.out, printed: `${child.out}${child.err}` };
}

async function fetchX509(executable: string): Promise<void> {
  await using ours = await startWorkloadAgent({ givesSvid: true });
  const fetched = await say(executable, ours.socket, 'api', 'fetch', 'x509', '-write', ours.folder);
  assert.equal(fetched.code, 0, fetched.printed);
  assert.match(fetched.out, /spiffe:\/\/a\.example\/federate/);
  assert.match(fetched.out, /\[spiffe:\/\/b\.example\] CA #1/);
  const certificates = (name: string) => readFileSync(ours.file(name), 'utf8').match(/BEGIN CERT/g)?.length;
  assert.equal(certificates('bundle.0.pem'), 1);
  assert.equal(certificates('federated_bundle.0.0.pem'), 1);
  await using keeping = await startWorkloadAgent({ givesSvid: false });
  const refused = await say(executable, keeping.socket, 'api', 'fetch', 'x509');
  assert.equal(refused.code, 1);
  assert.match(refused.printed, /PermissionDenied/);
}

async function watch(executable: string): Promise<void> {
  await using ours = await startWorkloadAgent({ givesSvid: true });
  await using watching = new Child(executable, ['api', 'watch', '-socketPath', ours.socket]);
  const last = () => watching.out.split('Received').at(-1) ?? '';
  await watching.until('the peer', () => last().includes('b.example'));
  ours.home.writeRoots(ours.ca, await presentCa('a.example', 'CN=a.example second root'));
  await watching.until('our second root', () => /^CA #2/m.test(last()));
  await ours.home.ask('remove', 'b.example');
  await watching.until('the removal', () => /^CA #2/m.test(last()) && !last().includes('b.example'));
}

async function jwt(executable: string): Promise<void> {
  await using ours = await startWorkloadAgent({ givesSvid: true });
  const none = await say(executable, ours.socket, 'api', 'fetch', 'jwt', '-audience', 'us');
  assert.match(none.printed, /PermissionDenied/);
  const validate = (token: string, audience: string) =>
    say(executable, ours.socket, 'api', 'validate', 'jwt', '-audience', audience, '-svid', token);
  const genuine = await validate(tokenOfPeer(), 'us');
  assert.equal(genuine.code, 0, genuine.printed);
  assert.match(genuine.out, /spiffe:\/\/b\.example\/w/);
  assert.match((await validate(tokenOfPeer(), 'them')).printed, /not valid.*audience-mismatch/s);
  assert.match(
    (await validate(tokenOfPeer({ forged: true }), 'us')).printed,
    /not valid.*signature-invalid/s,
  );
}

async function healthcheck(executable: string): Promise<void> {
  await using ours = await startWorkloadAgent({ givesSvid: false });
  const healthy = await say(executable, ours.socket, 'healthcheck');
  assert.equal(healthy.code, 0, healthy.printed);
  await ours.agent.end('SIGTERM');
  assert.equal((await say(executable, ours.socket, 'healthcheck')).code, 1);
}

async function simulatedMeshes(executable: string): Promise<void> {
  await withMeshes(async (meshes) => {
    const { layout } = meshes;
    const frontend = layout.istio('frontend-sds.sock');
    assert.equal((await say(executable, frontend, 'healthcheck')).code, 0);
    const alone = await say(executable, frontend, 'api', 'fetch', 'x509');
    assert.match(alone.out, new RegExp(`SPIFFE ID:\\s+${names.frontendId}$`, 'm'));
    assert(!alone.out.includes(names.consul), 'nothing is federated yet');
    await using watching = new Child(executable, ['api', 'watch', '-socketPath', frontend]);
    await watching.until('the SVID', () => watching.out.includes(names.frontendId));
    await federate(meshes);
    await watching.until('the roots of the other mesh', () =>
      watching.out.includes(`[${names.consul}] CA #1`),
    );
    await using other = new Child(executable, [
      'api',
      'watch',
      '-socketPath',
      layout.consul('info-sds.sock'),
    ]);
    await other.until('the roots of the first mesh', () => other.out.includes(`[${names.istio}] CA #1`));
    assert.match(other.out, new RegExp(`SPIFFE ID:\\s+${names.infoId}$`, 'm'));
    const token = await say(executable, frontend, 'api', 'fetch', 'jwt', '-audience', 'us');
    assert.match(token.printed, /PermissionDenied/);
  });
}
