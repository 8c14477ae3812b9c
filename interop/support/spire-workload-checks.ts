import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { VerifyDocument } from '../../src/admin-client/index.ts';
import { bundleOf, serializeBundle } from '../../src/spiffe/index.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
import { createTokenKey, signToken } from '../../testkit/test-tokens.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { InteropCheck } from './program.ts';
import { OURS, pollNow, spireTrustsUs, THEIRS, weTrustSpire, withOurs } from './spire-peers.ts';
import { changed, judgeToken } from './spire-polled-checks.ts';
import { Spire, type SpireAgent } from './spire.ts';

/** What a workload of SPIRE and a workload of ours can prove to each other. */
export const spireWorkloadChecks: readonly InteropCheck[] = [
  { name: 'a workload gets our roots through its agent, and a rotation of ours', run: workloadGetsOurRoots },
  { name: 'the SVID of its workload is proven by `federate verify`, a forged one is not', run: verifyTheirs },
  {
    name: "JWT-SVIDs: its workload's by `federate verify --jwt`, ours by its agent; forgeries by neither",
    run: tokensBothWays,
  },
  { name: 'bundles go by hand, through pipes of the two commands', run: byHand },
];

/** An agent of SPIRE with one entry for this process, federated with us. */
export async function startFederatedAgent(server: Spire): Promise<SpireAgent> {
  server.createEntry('/workload', process.getuid?.() ?? 0, '-federatesWith', OURS);
  const agent = await server.startAgent();
  await agent.until('the workload to have our bundle', () =>
    agent.run('api', 'fetch', 'x509').stdout.includes(OURS),
  );
  return agent;
}

/** How many roots of ours the workload has. */
export function rootsOfOurs(agent: SpireAgent): number {
  const { stdout } = agent.run('api', 'fetch', 'x509');
  return stdout.split('\n').filter((line) => line.startsWith(`[spiffe://${OURS}]`) && line.includes('After'))
    .length;
}

async function workloadGetsOurRoots(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await withOurs(async (ours, agents) => {
    await spireTrustsUs(server, ours, agents);
    await using agent = await startFederatedAgent(server);
    assert.equal(rootsOfOurs(agent), 1);
    ours.home.writeRoots(ours.ca, await presentCa(OURS, 'CN=a second root'));
    await agent.until('the workload to have the second root', () => {
      server.say('federation', 'refresh', '-id', OURS);
      return rootsOfOurs(agent) === 2;
    });
    ours.home.writeRoots(ours.ca);
    await agent.until('the workload to have lost it again', () => {
      server.say('federation', 'refresh', '-id', OURS);
      return rootsOfOurs(agent) === 1;
    });
  });
}

async function verifyTheirs(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await withOurs(async (ours, agents) => {
    await weTrustSpire(server, ours);
    await spireTrustsUs(server, ours, agents);
    await using agent = await startFederatedAgent(server);
    const folder = agents.file('svids');
    mkdirSync(folder);
    agent.run('api', 'fetch', 'x509', '-write', folder);
    for (const role of ['client', 'server']) {
      const { accepted, spiffe_id: id } = await verdict(ours, `${folder}/svid.0.pem`, '--peer-role', role);
      assert.deepEqual([accepted, id], [true, `spiffe://${THEIRS}/workload`]);
    }
    const forger = await presentCa(THEIRS, 'CN=forger');
    const forged = await forger.issueLeaf({ path: '/workload', ...presentTimes() });
    writeFileSync(agents.file('forged.pem'), forged.certPem);
    assert.equal((await verdict(ours, agents.file('forged.pem'))).code, 'path-refused');
    // A genuine root of ours may not speak for them either.
    const crossing = await ours.ca.issueLeaf({ ...presentTimes(), uriSans: [`spiffe://${THEIRS}/workload`] });
    writeFileSync(agents.file('crossing.pem'), crossing.certPem);
    assert.equal((await verdict(ours, agents.file('crossing.pem'))).code, 'path-refused');
  });
}

async function verdict(
  { home }: RunningAgent,
  file: string,
  ...words: readonly string[]
): Promise<VerifyDocument> {
  return (await home.ask<VerifyDocument>('verify', file, ...words)).answer;
}

/** An agent of ours whose mesh has a JWT key, which is told with the bundle. */
async function withTokenKey(work: (ours: RunningAgent, agents: Agents) => Promise<void>, key: TokenKey) {
  const mesh = {
    kind: 'files',
    own_bundle_file: 'own.json',
    foreign_folder: 'foreign',
    poll: '50ms',
  };
  await using agents = await startAgents([{ trustDomain: OURS, profile: 'https_spiffe' }]);
  const [ours] = agents.all;
  assert(ours);
  const { home, ca } = ours;
  const bundle = bundleOf(ca.trustDomain, [ca.authority], { jwtAuthorities: [key.authority] });
  writeFileSync(home.file('own.json'), serializeBundle(bundle));
  await ours.agent.end('SIGTERM');
  home.writeConfig(home.configFile, { mesh });
  const again = home.start();
  try {
    await again.untilLogged('own bundle published');
    await work(ours, agents);
  } finally {
    await again.end('SIGTERM');
  }
}

type TokenKey = ReturnType<typeof createTokenKey>;

async function tokensBothWays(executable: string): Promise<void> {
  const key = createTokenKey('P-256', 'ours-1');
  await using server = await Spire.start(executable);
  await withTokenKey(async (ours, agents) => {
    await weTrustSpire(server, ours);
    await spireTrustsUs(server, ours, agents);
    await using agent = await startFederatedAgent(server);
    const fetched = JSON.parse(agent.run('api', 'fetch', 'jwt', '-audience', 'us', '-output', 'json').stdout);
    const token: string = fetched[0].svids[0].svid;
    assert.deepEqual(await judgeToken(ours, agents, token, 'us'), [true, null]);
    assert.deepEqual(await judgeToken(ours, agents, changed(token), 'us'), [false, 'signature-invalid']);

    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: `spiffe://${OURS}/w`, aud: ['them'], iat: now - 10, exp: now + 300 };
    const validate = (text: string) =>
      agent.run('api', 'validate', 'jwt', '-audience', 'them', '-svid', text);
    await agent.until('its agent to have our JWT key', () =>
      validate(signToken(key, { claims })).stdout.includes('SVID is valid'),
    );
    const forged = signToken({ ...createTokenKey('P-256'), authority: key.authority }, { claims });
    assert.notEqual(validate(forged).status, 0);
    // Our key may not speak for SPIRE's trust domain.
    const crossing = signToken(key, { claims: { ...claims, sub: `spiffe://${THEIRS}/w` } });
    assert.notEqual(validate(crossing).status, 0);
  }, key);
}

async function byHand(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await withOurs(async (ours, agents) => {
    const { home } = ours;
    const env = { FEDERATE_SOCKET: home.socket };
    server.shell(
      `spire-server bundle show -format spiffe | federate add --peer ${server.endpointUrl} --trust-domain ${THEIRS} --profile https_spiffe --endpoint-id spiffe://${THEIRS}/spire/server --bundle -`,
      env,
    );
    assert.equal((await pollNow(ours)).outcome, 'unchanged');
    server.shell(
      `federate bundle show --document | spire-server bundle set -format spiffe -id spiffe://${OURS}`,
      env,
    );
    assert.equal(server.federatedKeys(OURS), 1);
    // Their pin, as their operator can tell it with what is on every machine.
    const pin = server.shell(
      'spire-server bundle show | openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl sha256 -r | cut -d" " -f1',
    );
    const shown = await home.ask<{ authorities: readonly { key_fingerprint: string }[] }>(
      'bundle',
      'show',
      THEIRS,
    );
    assert(JSON.stringify(shown.answer).includes(pin.trim()));
    assert(readFileSync(agents.file(`${OURS}/foreign/${THEIRS}.pem`), 'utf8').includes('BEGIN CERTIFICATE'));
  });
}
