import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  BundleDocument,
  HistoryDocument,
  ReviewDocument,
  VerifyJwtDocument,
} from '../../src/admin-client/index.ts';
import { bundleOf, parseBundle, parseTrustDomain, serializeBundle } from '../../src/spiffe/index.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { createTokenKey, signToken, type TokenKey } from '../../testkit/test-tokens.ts';
import { type AgentHome, until } from '../../testkit/agent-process.ts';

/** JWT keys on their way from the bundle file of one mesh to a verdict at another. Each test has two agents of its own. */
let agents: Agents;
let a: RunningAgent;
let b: RunningAgent;
const [first, second] = [createTokenKey('P-256', 'k1'), createTokenKey('rsa-2048', 'k2')];

const writeOwn = (home: AgentHome, ca: TestCa, ...keys: readonly TokenKey[]) =>
  writeFileSync(
    home.file('own.json'),
    serializeBundle(
      bundleOf(ca.trustDomain, [ca.authority], { jwtAuthorities: keys.map(({ authority }) => authority) }),
    ),
  );
const tokenBy = (key: TokenKey, alg: string, subject = 'spiffe://a.example/w') => {
  const now = Math.floor(Date.now() / 1000);
  return signToken(key, { alg, claims: { sub: subject, aud: 'info.b.example', iat: now, exp: now + 300 } });
};
const judge = async (token: string) => {
  writeFileSync(b.home.file('token.jwt'), token);
  const words = ['verify', '--jwt', b.home.file('token.jwt'), '--audience', 'info.b.example'];
  return await b.home.ask<VerifyJwtDocument>(...words);
};

beforeEach(async () => {
  const mesh = { kind: 'files', own_bundle_file: 'own.json', foreign_folder: 'foreign', poll: '50ms' };
  agents = await startAgents([
    {
      trustDomain: 'a.example',
      profile: 'https_web',
      config: { mesh },
      prepare: (home, ca) => writeOwn(home, ca, first),
    },
    { trustDomain: 'b.example', profile: 'https_web' },
  ]);
  [a, b] = agents.all as [RunningAgent, RunningAgent];
});
afterEach(() => agents[Symbol.asyncDispose]());

describe('JWT keys of a bundle file', () => {
  it('are on the endpoint beside the roots (TDB-16, TDB-33)', async () => {
    const { bundle, notes } = parseBundle(parseTrustDomain('a.example'), await bytesOf(a.home.url));
    expect(notes).toEqual([]);
    expect(bundle.jwtAuthorities).toEqual([first.authority]);
    expect(bundle.x509Authorities).toHaveLength(1);
  });

  it('prove tokens at a peer once it federates, and not before (JWT-15)', async () => {
    expect(await judge(tokenBy(first, 'ES256'))).toMatchObject({ code: 1, answer: { code: 'no-bundle' } });
    await b.add(a);
    expect(await judge(tokenBy(first, 'ES256'))).toMatchObject({
      code: 0,
      answer: {
        accepted: true,
        spiffe_id: 'spiffe://a.example/w',
        trust_domain: 'a.example',
        key: { key_id: 'k1', algorithm: 'ES256' },
        bundle_version: 1,
      },
    });
    expect((await judge(tokenBy(first, 'ES256', 'spiffe://b.example/w'))).answer.code).toBe('no-authority');
  });

  it('rotate alone, are in the history, and end when they are gone (TDB-41)', async () => {
    const holds = async (...keyIds: readonly string[]) => {
      const { answer } = await b.home.ask<BundleDocument>('bundle', 'show', 'a.example');
      return answer.jwt_key_ids.join() === keyIds.join();
    };
    await b.add(a);
    expect((await judge(tokenBy(second, 'PS256'))).answer.code).toBe('key-unknown');
    writeOwn(a.home, a.ca, first, second);
    await until('both keys', () => holds('k1', 'k2'));
    expect((await judge(tokenBy(first, 'ES256'))).answer).toMatchObject({
      accepted: true,
      bundle_version: 2,
    });
    expect((await judge(tokenBy(second, 'PS256'))).answer).toMatchObject({ accepted: true });
    writeOwn(a.home, a.ca, second);
    // Over Web PKI a second key that came a moment ago does not vouch for the end of the first one.
    const waiting = async () => (await b.home.ask<ReviewDocument>('review', 'a.example')).answer.waiting[0];
    await until('the offer to wait', async () => (await waiting())?.code === 'all-jwt-keys-replaced');
    const digest = (await waiting())?.digest ?? '';
    const reason = ['--reason', 'its operators said so'];
    expect((await b.home.ask('review', 'a.example', '--accept', '--digest', digest, ...reason)).code).toBe(0);
    await until('the second key alone', () => holds('k2'));
    expect((await judge(tokenBy(first, 'ES256'))).answer.code).toBe('key-unknown');
    expect((await judge(tokenBy(second, 'RS256'))).answer).toMatchObject({
      accepted: true,
      bundle_version: 3,
    });
    const { answer } = await b.home.ask<HistoryDocument>('bundle', 'history', 'a.example');
    const keys = (refs: readonly { readonly label: string }[]) => refs.map(({ label }) => label.slice(7));
    expect(answer.versions.map(({ added, removed }) => [keys(added), keys(removed)]).slice(0, 2)).toEqual([
      [[], ['jwt k1']],
      [['jwt k2'], []],
    ]);
    expect(answer.events.map(({ message }) => message)).toContain(
      'the operator let in a bundle of a.example that was kept out: its operators said so',
    );
    // The mesh of the peer has them too, soon.
    const inMesh = () => {
      const { keys } = JSON.parse(b.home.foreign('a.example.json')) as {
        readonly keys: readonly { readonly use: string; readonly kid?: string }[];
      };
      return keys.map(({ use, kid = '' }) => `${use} ${kid}`).join();
    };
    await until('the keys in the mesh', () => inMesh() === 'x509-svid ,jwt-svid k2');
  });

  it('never stand in a log as tokens', async () => {
    await b.add(a);
    const token = tokenBy(first, 'ES256');
    expect((await judge(token)).answer.accepted).toBe(true);
    await judge(`${token.slice(0, -6)}AAAAAA`);
    for (const { agent } of agents.all)
      for (const section of token.split('.')) expect(JSON.stringify(agent.log)).not.toContain(section);
  });
});

function bytesOf(url: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { rejectUnauthorized: false, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => resolve(Buffer.concat(parts)));
      answer.on('error', reject);
    });
    asking.on('error', reject);
    asking.end();
  });
}
