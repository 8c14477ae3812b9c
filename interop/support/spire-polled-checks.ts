import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import type { HistoryDocument, ReviewDocument, VerifyJwtDocument } from '../../src/admin-client/index.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { presentTimes, until } from '../../testkit/agent-process.ts';
import type { Agents, RunningAgent } from '../../testkit/running-agents.ts';
import type { InteropCheck } from './program.ts';
import { pollNow, relationship, THEIRS, weTrustSpire, withOurs } from './spire-peers.ts';
import { Spire } from './spire.ts';

/** We ask the endpoint of a SPIRE server, whatever becomes of it. */
export const spirePolledChecks: readonly InteropCheck[] = [
  {
    name: 'we poll it through prepare, activate, taint and revoke, and write nothing for equal content',
    run: throughX509Rotation,
  },
  {
    name: 'the same for its JWT authorities, whose tokens are proven until the key is revoked; forgeries are not',
    run: throughJwtRotation,
  },
  { name: 'we poll it over https_web, with a private CA', run: overWeb },
  {
    name: 'it is down, and comes back with its keys: nothing is lost, and nobody has to do anything',
    run: goneAndBack,
  },
  {
    name: 'it comes back without its keys: that is told, and its bundle given by hand puts it right',
    run: withoutItsKeys,
  },
  {
    name: 'it comes back without its database: the lower number is kept out until an operator takes it',
    run: withoutItsDatabase,
  },
];

const versions = async ({ home }: RunningAgent) =>
  (await home.ask<HistoryDocument>('bundle', 'history', THEIRS)).answer.versions;

/** Brings a new authority in and the old one out, and polls after each step. Returns what each poll came to. */
async function rotate(server: Spire, ours: RunningAgent, kind: 'x509' | 'jwt') {
  const old = server.authority(kind, 'show', 'active');
  const outcomes: [string, string][] = [];
  const step = async (command: string, ...words: readonly string[]) => {
    server.say('localauthority', kind, command, ...words);
    outcomes.push([command, (await pollNow(ours)).outcome]);
  };
  await step('prepare');
  const prepared = server.authority(kind, 'show', 'prepared');
  await step('activate', '-authorityID', prepared);
  await step('taint', '-authorityID', old);
  await step('revoke', '-authorityID', old);
  return outcomes;
}

/** The bundle changes when an authority is prepared and when one is revoked; the rest is SPIRE's own. */
const OUTCOMES = [
  ['prepare', 'accepted'],
  ['activate', 'unchanged'],
  ['taint', 'unchanged'],
  ['revoke', 'accepted'],
];

async function throughX509Rotation(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await withOurs(async (ours) => {
    await weTrustSpire(server, ours);
    for (let poll = 0; poll < 5; poll += 1) assert.equal((await pollNow(ours)).outcome, 'unchanged');
    assert.equal((await versions(ours)).length, 1);
    assert.deepEqual(await rotate(server, ours, 'x509'), OUTCOMES);
    // With four keys in it, which it tells in another order each time.
    server.say('localauthority', 'jwt', 'prepare');
    server.say('localauthority', 'x509', 'prepare');
    // Its endpoint shows an SVID under the root that it revoked until it looks for that, every five seconds.
    await until('a poll that takes the new keys', async () => (await pollNow(ours)).outcome === 'accepted');
    const before = (await versions(ours)).length;
    for (let poll = 0; poll < 10; poll += 1) assert.equal((await pollNow(ours)).outcome, 'unchanged');
    assert.equal((await versions(ours)).length, before);
    const { state, authorities } = await relationship(ours);
    assert.deepEqual([state, authorities], ['active', 4]);
  });
}

async function throughJwtRotation(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await withOurs(async (ours, agents) => {
    await weTrustSpire(server, ours);
    const token = server
      .say('jwt', 'mint', '-spiffeID', `spiffe://${THEIRS}/workload`, '-audience', 'us')
      .trim();
    const judged = (text: string, audience = 'us') => judgeToken(ours, agents, text, audience);
    assert.deepEqual(await judged(token), [true, null]);
    assert.deepEqual(await judged(token, 'them'), [false, 'audience-mismatch']);
    assert.deepEqual(await judged(changed(token)), [false, 'signature-invalid']);
    assert.deepEqual(await rotate(server, ours, 'jwt'), OUTCOMES);
    assert.deepEqual(await judged(token), [false, 'key-unknown']);
  });
}

/** The token with another subject of the same trust domain and its old signature. */
export function changed(token: string): string {
  const [head, claims = '', signature] = token.split('.');
  const payload = JSON.parse(Buffer.from(claims, 'base64url').toString());
  payload.sub = `spiffe://${THEIRS}/admin`;
  return [head, Buffer.from(JSON.stringify(payload)).toString('base64url'), signature].join('.');
}

/** Whether `federate verify --jwt` accepts a token, and the code with which it does not. */
export async function judgeToken(
  { home }: RunningAgent,
  agents: Agents,
  token: string,
  audience: string,
): Promise<readonly [boolean, string | null]> {
  const file = agents.file('token.jwt');
  writeFileSync(file, token);
  const words = ['verify', '--jwt', file, '--audience', audience];
  const { answer } = await home.ask<VerifyJwtDocument>(...words);
  return [answer.accepted, answer.code];
}

/** A server whose endpoint shows a certificate of a private CA, and the words with which we trust it. */
async function startOverWeb(executable: string, agents: Agents) {
  const { home } = agents.all[0] ?? {};
  assert(home);
  const leaf = await agents.webCa.issueLeaf({ ...presentTimes(), uriSans: [], dnsSans: ['localhost'] });
  const [certificateFile, keyFile, caFile] = [
    agents.file('spire-web.pem'),
    agents.file('spire-web.key'),
    agents.file('web-ca.pem'),
  ];
  writeFileSync(certificateFile, leaf.certPem);
  writeFileSync(keyFile, leaf.keyPem, { mode: 0o600 });
  writeFileSync(caFile, pemFromCertificates([agents.webCa.root]));
  const server = await Spire.start(executable, { web: { certificateFile, keyFile } });
  return { server, proof: ['--profile', 'https_web', '--ca-file', caFile] };
}

async function overWeb(executable: string): Promise<void> {
  await withOurs(async (ours, agents) => {
    const { server, proof } = await startOverWeb(executable, agents);
    await using _server = server;
    await weTrustSpire(server, ours, proof);
    assert.deepEqual(await rotate(server, ours, 'x509'), OUTCOMES);
    assert.equal((await relationship(ours)).state, 'active');
  });
}

async function goneAndBack(executable: string): Promise<void> {
  await using server = await Spire.start(executable, { keys: 'disk' });
  await withOurs(async (ours) => {
    await weTrustSpire(server, ours);
    const held = await versions(ours);
    await server.stop();
    const { outcome, code } = await pollNow(ours);
    assert.deepEqual([outcome, code], ['failed', 'connect-failed']);
    assert.equal((await relationship(ours)).state, 'failing');
    assert.deepEqual(await versions(ours), held);
    await server.start();
    assert.equal((await pollNow(ours)).outcome, 'unchanged');
    assert.equal((await relationship(ours)).state, 'active');
    assert.deepEqual(await versions(ours), held);
  });
}

async function withoutItsKeys(executable: string): Promise<void> {
  await using server = await Spire.start(executable, { keys: 'memory' });
  await withOurs(async (ours) => {
    await weTrustSpire(server, ours);
    const held = await versions(ours);
    await server.stop();
    await server.start();
    const { outcome, code } = await pollNow(ours);
    assert.deepEqual([outcome, code], ['failed', 'svid-refused']);
    assert.deepEqual(await versions(ours), held);
    server.shell(
      `spire-server bundle show -format spiffe | federate bundle set ${THEIRS} - --reason 'SPIRE lost its keys'`,
      { FEDERATE_SOCKET: ours.home.socket },
    );
    assert.equal((await pollNow(ours)).outcome, 'unchanged');
    assert.equal((await relationship(ours)).state, 'active');
  });
}

async function withoutItsDatabase(executable: string): Promise<void> {
  await withOurs(async (ours, agents) => {
    const { server, proof } = await startOverWeb(executable, agents);
    await using _server = server;
    await weTrustSpire(server, ours, proof);
    await rotate(server, ours, 'x509');
    const held = await versions(ours);
    await server.stop();
    rmSync(server.data, { recursive: true });
    await server.start();
    const { outcome, code } = await pollNow(ours);
    assert.deepEqual([outcome, code], ['refused', 'sequence-rolled-back']);
    assert.deepEqual(await versions(ours), held);
    const [offer] = (await ours.home.ask<ReviewDocument>('review', THEIRS)).answer.waiting;
    const decision = ['--accept', '--digest', offer?.digest ?? '', '--reason', 'SPIRE lost its database'];
    assert.equal((await ours.home.ask('review', THEIRS, ...decision)).code, 0);
    assert.equal((await pollNow(ours)).outcome, 'unchanged');
    const shown = JSON.parse(server.say('bundle', 'show', '-format', 'spiffe'));
    assert.equal((await relationship(ours)).authorities, shown.keys.length);
  });
}
