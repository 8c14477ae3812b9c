import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  BundleDocument,
  HistoryDocument,
  ReviewDocument,
  StatusDocument,
  VerifyJwtDocument,
} from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import {
  bundleOf,
  parseBundle,
  parseTrustDomain,
  pemFromCertificates,
  serializeBundle,
} from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { createTokenKey, signToken, type TokenKey } from '../../testkit/test-tokens.ts';
import { AgentHome, type FederateProcess, presentCa, until } from '../../testkit/agent-process.ts';

/** JWT keys on their way from the bundle file of one mesh to a verdict at another. The tests are one story, in order. */
let folder: ReturnType<typeof tempDir>;
let a: AgentHome;
let b: AgentHome;
let agents: FederateProcess[] = [];
let rootA: TestCa;
const [first, second] = [createTokenKey('P-256', 'k1'), createTokenKey('rsa-2048', 'k2')];

const writeOwn = (...keys: readonly TokenKey[]) =>
  writeFileSync(
    a.file('own.json'),
    serializeBundle(
      bundleOf(rootA.trustDomain, [rootA.authority], {
        jwtAuthorities: keys.map(({ authority }) => authority),
      }),
    ),
  );
const tokenBy = (key: TokenKey, alg: string, subject = 'spiffe://a.example/w') => {
  const now = Math.floor(Date.now() / 1000);
  return signToken(key, { alg, claims: { sub: subject, aud: 'info.b.example', iat: now, exp: now + 300 } });
};
const judge = async (token: string) => {
  writeFileSync(b.file('token.jwt'), token);
  const words = ['verify', '--jwt', b.file('token.jwt'), '--audience', 'info.b.example'];
  return await b.ask<VerifyJwtDocument>(...words);
};

beforeAll(async () => {
  folder = tempDir();
  const [portA = 0, portB = 0] = await freePorts(2);
  const [ca, rootB, webCa] = await Promise.all([
    presentCa('a.example', 'CN=A1'),
    presentCa('b.example', 'CN=B1'),
    presentCa('web.example', 'CN=Web'),
  ]);
  rootA = ca;
  const home = (name: string, port: number) =>
    new AgentHome({ folder: folder.file(name), trustDomain: `${name}.example`, port, profile: 'https_web' });
  [a, b] = [home('a', portA), home('b', portB)];
  a.writeConfig(a.configFile, {
    mesh: { kind: 'files', own_bundle_file: 'own.json', foreign_folder: 'foreign', poll: '50ms' },
  });
  writeOwn(first);
  b.writeRoots(rootB);
  await Promise.all([a, b].map((each) => each.writeEndpointCertificate(webCa)));
  writeFileSync(folder.file('web-ca.pem'), pemFromCertificates([webCa.root]));
  agents = [a.start(), b.start()];
  await Promise.all(agents.map((agent) => agent.untilLogged('own bundle published')));
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.end('SIGKILL')));
  folder[Symbol.dispose]();
});

describe('JWT keys of a bundle file', () => {
  it('are on the endpoint beside the roots (TDB-16, TDB-33)', async () => {
    const { bundle, notes } = parseBundle(parseTrustDomain('a.example'), await bytesOf(a.url));
    expect(notes).toEqual([]);
    expect(bundle.jwtAuthorities).toEqual([first.authority]);
    expect(bundle.x509Authorities).toHaveLength(1);
  });

  it('prove tokens at a peer once it federates, and not before (JWT-15)', async () => {
    expect(await judge(tokenBy(first, 'ES256'))).toMatchObject({ code: 1, answer: { code: 'no-bundle' } });
    const { answer: status } = await a.ask<StatusDocument>('status');
    const proof = ['--pin', status.own?.pin ?? '', '--ca-file', folder.file('web-ca.pem')];
    const peer = ['--peer', a.url, '--trust-domain', 'a.example', '--profile', 'https_web'];
    const added = await b.ask('add', ...peer, ...proof);
    expect(added.code).toBe(0);
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

  it('rotate alone, are told in the history, and end when they are gone (TDB-41)', async () => {
    const holds = async (...keyIds: readonly string[]) => {
      const { answer } = await b.ask<BundleDocument>('bundle', 'show', 'a.example');
      return answer.jwt_key_ids.join() === keyIds.join();
    };
    expect((await judge(tokenBy(second, 'PS256'))).answer.code).toBe('key-unknown');
    writeOwn(first, second);
    await until('both keys', () => holds('k1', 'k2'));
    expect((await judge(tokenBy(first, 'ES256'))).answer).toMatchObject({
      accepted: true,
      bundle_version: 2,
    });
    expect((await judge(tokenBy(second, 'PS256'))).answer).toMatchObject({ accepted: true });
    writeOwn(second);
    // Over Web PKI a second key that came a moment ago does not vouch for the end of the first one.
    const waiting = async () => (await b.ask<ReviewDocument>('review', 'a.example')).answer.waiting[0];
    await until('the offer to wait', async () => (await waiting())?.code === 'all-jwt-keys-replaced');
    const digest = (await waiting())?.digest ?? '';
    const reason = ['--reason', 'its operators said so'];
    expect((await b.ask('review', 'a.example', '--accept', '--digest', digest, ...reason)).code).toBe(0);
    await until('the second key alone', () => holds('k2'));
    expect((await judge(tokenBy(first, 'ES256'))).answer.code).toBe('key-unknown');
    expect((await judge(tokenBy(second, 'RS256'))).answer).toMatchObject({
      accepted: true,
      bundle_version: 3,
    });
    const { answer } = await b.ask<HistoryDocument>('bundle', 'history', 'a.example');
    const keys = (refs: readonly { readonly label: string }[]) => refs.map(({ label }) => label.slice(7));
    expect(answer.versions.map(({ added, removed }) => [keys(added), keys(removed)]).slice(0, 2)).toEqual([
      [[], ['jwt k1']],
      [['jwt k2'], []],
    ]);
    expect(answer.events.map(({ message }) => message)).toContain(
      'the operator let in a bundle of a.example that was kept out: its operators said so',
    );
    // The mesh of the peer has them too.
    expect(JSON.parse(b.foreign('a.example.json'))).toMatchObject({
      keys: [{ use: 'x509-svid' }, { use: 'jwt-svid', kid: 'k2' }],
    });
  });

  it('never stand in a log as tokens', async () => {
    const token = tokenBy(second, 'RS256');
    await judge(token);
    await judge(`${token.slice(0, -6)}AAAAAA`);
    for (const agent of agents)
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
