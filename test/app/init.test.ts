import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Answers, Question } from '../../src/app/init/answers.ts';
import { type InitResult, initFolder } from '../../src/app/init/init-folder.ts';
import { lookAround, type Surroundings } from '../../src/app/init/surroundings.ts';
import { systemClock } from '../../src/platform/index.ts';
import {
  BundleSet,
  bundleOf,
  certificatesFromPem,
  parseTrustDomain,
  verifyX509Svid,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { checkConfigWithFiles } from '../../src/config/index.ts';
import { FakeCluster } from '../mesh-adapters/consul/fake-cluster.ts';
import { startIstio } from '../simulated-mesh/support/meshes.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const NOTHING: Surroundings = { report: [] };

function init(
  folder: string,
  answers: Answers = {},
  {
    found = NOTHING,
    force = false,
    ask,
  }: {
    readonly found?: Surroundings;
    readonly force?: boolean;
    readonly ask?: (question: Question) => Promise<string>;
  } = {},
): Promise<InitResult> {
  return initFolder({ folder, answers, ask, force, report: () => undefined }, async () => found);
}

const configIn = (folder: string): unknown => parse(readFileSync(`${folder}/agent.yaml`, 'utf8'));
const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as Error & { readonly code: string },
  );

describe('federate init', () => {
  it('sets up two folders on one machine that differ in trust domain and port, keys private', async () => {
    using home = tempDir();
    const a = await init(home.file('a'));
    const b = await init(home.file('b'));
    expect([a.choices.trustDomain, b.choices.trustDomain]).toEqual(['a.example', 'b.example']);
    expect(a.choices.url).not.toBe(b.choices.url);
    expect(a.files.at(-1)).toBe('agent.yaml');
    expect(modeOf(home.file('a'))).toBe('700');
    expect([modeOf(home.file('a/root.key')), modeOf(home.file('a/svid.key'))]).toEqual(['600', '600']);
    expect(await checkConfigWithFiles('agent', home.file('a/agent.yaml'))).toEqual([]);
  });

  it('makes an SVID that verifies under the root it made, and is not valid for another name', async () => {
    using home = tempDir();
    await init(home.file('a'), { trustDomain: 'one.example' });
    const der = (name: string) => certificatesFromPem(readFileSync(home.file(`a/${name}`), 'utf8'));
    const trustDomain = parseTrustDomain('one.example');
    const roots = bundleOf(trustDomain, der('root.pem').map(x509AuthorityFromDer));
    const source = new BundleSet();
    source.set(roots);
    const svid = verifyX509Svid(der('svid.pem'), source, { now: systemClock.now(), peerRole: 'server' });
    expect(svid).toMatchObject({ id: 'spiffe://one.example/federate' });
  });

  it('replaces no config without --force, and with it keeps the CA and the address', async () => {
    using home = tempDir();
    const first = await init(home.file('a'));
    const root = readFileSync(home.file('a/root.pem'), 'utf8');
    const svid = readFileSync(home.file('a/svid.pem'), 'utf8');
    expect(await refusal(init(home.file('a')))).toMatchObject({ code: 'init-exists' });
    expect(readFileSync(home.file('a/svid.pem'), 'utf8')).toBe(svid);
    const second = await init(home.file('a'), {}, { force: true });
    expect(second.choices.url).toBe(first.choices.url);
    expect(readFileSync(home.file('a/root.pem'), 'utf8')).toBe(root);
    expect(readFileSync(home.file('a/svid.pem'), 'utf8')).not.toBe(svid);
  });

  it('never makes a second CA over one of another trust domain, nor over a damaged one', async () => {
    using home = tempDir();
    await init(home.file('a'));
    const before = readFileSync(home.file('a/agent.yaml'), 'utf8');
    const other = init(home.file('a'), { trustDomain: 'other.example' }, { force: true });
    expect(await refusal(other)).toMatchObject({ code: 'init-exists' });
    writeFileSync(home.file('a/root.key'), 'damaged');
    expect(await refusal(init(home.file('a'), {}, { force: true }))).toMatchObject({ code: 'init-exists' });
    expect(readFileSync(home.file('a/agent.yaml'), 'utf8')).toBe(before);
  });

  it('leaves nothing behind when the config would not be good', async () => {
    using home = tempDir();
    const roots = [home.file('none.pem')];
    const failed = init(home.file('a'), { roots, workloadApi: 'unix:///run/spire/agent/api.sock' });
    expect(await refusal(failed)).toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('nothing was written'),
      mistakes: [expect.objectContaining({ path: 'mesh.own_pem_files[0]' })],
    });
    expect(existsSync(home.file('a'))).toBe(false);
  });

  it.each<[string, Answers]>([
    ['a certificate without a key', { certificate: 'tls.crt' }],
    ['two SVIDs', { workloadApi: 'unix:///a.sock', sdsSocket: 'b.sock' }],
    ['a CA without https_web', { caFile: 'ca.pem' }],
    ['https_web without a certificate', { profile: 'https_web' }],
    ['Istio without any identity', { mesh: 'istio' }],
    ['a trust domain for a simulated Consul', { mesh: 'simulated-consul', trustDomain: 'a.example' }],
  ])('refuses %s and writes nothing', async (_what, answers) => {
    using home = tempDir();
    expect(await refusal(init(home.file('a'), answers))).toMatchObject({ code: 'init-answers' });
    expect(readdirSync(home.path)).toEqual([]);
  });

  it.each<[string, Answers, string]>([
    ['a trust domain', { trustDomain: 'A.example' }, 'trust-domain-'],
    ['a URL', { url: 'http://a.example/' }, 'url-scheme'],
  ])('refuses %s that is none', async (_what, answers, code) => {
    using home = tempDir();
    const error = await refusal(init(home.file('a'), answers));
    expect(error?.code).toContain(code);
    expect(readdirSync(home.path)).toEqual([]);
  });

  it('says why a folder cannot be used', async () => {
    using home = tempDir();
    writeFileSync(home.file('file'), '');
    const inFile = await refusal(init(home.file('file')));
    expect(inFile).toMatchObject({
      code: 'init-folder-unusable',
      message: expect.stringContaining('a file'),
    });
    const long = await refusal(init(home.file('x'.repeat(120))));
    expect(long).toMatchObject({ code: 'init-folder-unusable', message: expect.stringContaining('107') });
    expect(readdirSync(home.path)).toEqual(['file']);
  });

  it('writes a config for what it found: Istio in a cluster, the SVID from a Workload API', async () => {
    using home = tempDir();
    const { mesh } = await startIstio(home.path, { clock: systemClock });
    try {
      const environment = {
        KUBECONFIG: home.file('admin.kubeconfig'),
        SPIFFE_ENDPOINT_SOCKET: 'unix:///run/spire/agent/api.sock',
        CONSUL_HTTP_ADDR: '127.0.0.1:1',
      };
      const found = await lookAround(environment, systemClock);
      expect(found.kubernetes?.meshes).toEqual(['istio']);
      expect(found.report.join('\n')).toContain('could not be asked');
      const url = 'https://fed.a.example:9443/';
      await init(home.file('a'), { url }, { found });
      expect(configIn(home.file('a'))).toMatchObject({
        endpoint: { profile: 'https_spiffe', listen: '0.0.0.0:9443', url },
        mesh: { kind: 'istio', kubeconfig: home.file('admin.kubeconfig') },
      });
    } finally {
      await mesh.stop();
    }
  });

  it('finds a Consul, and passes over a cluster that does not answer', async () => {
    using home = tempDir();
    await using cluster = await FakeCluster.start();
    writeFileSync(home.file('kubeconfig'), 'not a kubeconfig');
    const environment = { KUBECONFIG: home.file('kubeconfig'), CONSUL_HTTP_ADDR: cluster.url };
    const found = await lookAround(environment, systemClock);
    expect(found.kubernetes).toBeUndefined();
    expect(found.report.join('\n')).toContain('could not be read');
    const { choices } = await init(
      home.file('a'),
      { workloadApi: 'unix:///run/spire/agent/api.sock' },
      { found },
    );
    expect([choices.mesh, choices.consul]).toEqual(['consul', cluster.url]);
  });

  it('asks for what no flag says, and takes the usual answer of each', async () => {
    using home = tempDir();
    mkdirSync(home.file('a'));
    const asked: string[] = [];
    const ask = async ({ text, usual = '' }: Question) => {
      asked.push(text);
      return text.startsWith('Mesh') ? 'simulated-istio' : usual;
    };
    const { choices, simulated } = await init(home.file('a'), {}, { ask });
    expect(asked).toEqual(['Mesh of this agent', 'Trust domain', 'URL at which peers reach this agent']);
    expect([choices.trustDomain, simulated]).toEqual(['a.example', 'istio']);
    expect(Object.keys(Object(parse(readFileSync(home.file('a/mesh.yaml'), 'utf8'))))).toContain('workloads');
  });
});
