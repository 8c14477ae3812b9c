import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { get } from 'node:https';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createAdminClient } from '../../src/admin-client/index.ts';
import { partsOfAgent } from '../../src/agent/agent.ts';
import { agentConfigSchema, readConfig } from '../../src/config/index.ts';
import { type Part, Parts } from '../../src/platform/parts.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { silentLog, systemRandom } from '../../src/platform/index.ts';
import {
  bundleOf,
  certificatesFromPem,
  parseBundle,
  parseTrustDomain,
  pemFromCertificates,
  serializeBundle,
} from '../../src/spiffe/index.ts';
import { SdsClient } from '../../src/workload-api/index.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

type TempDir = ReturnType<typeof tempDir>;
const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };
/** Polls itself and changes; has a distrusted key whose time ends; becomes stale. */
const [MOVING, LAPSING, STALING] = ['moving.example', 'lapsing.example', 'staling.example'] as const;
const PEERS = [MOVING, LAPSING, STALING];
/**
 * The end of a distrust, and the time at which a peer becomes stale; both fall into the start under
 * test.
 */
const [LAPSES_S, STALE_S] = [102, 103];
/** The agent was away for so long. */
const AWAY_MS = 100_000;
const CHANGES_MS = 4000;

const root = (trustDomain: string, subject: string) => createTestCa({ trustDomain, subject, ...LONG });

let ours: [TestCa, TestCa];
let theirs: Record<(typeof PEERS)[number], [TestCa, TestCa]>;
let peers: Record<(typeof PEERS)[number], FakePeer>;
/** The folder of an agent that was stopped in order. */
let seed: TempDir;

beforeAll(async () => {
  const two = async (name: string): Promise<[TestCa, TestCa]> => [
    await root(name, 'CN=1'),
    await root(name, 'CN=2'),
  ];
  ours = await two('a.example');
  theirs = { [MOVING]: await two(MOVING), [LAPSING]: await two(LAPSING), [STALING]: await two(STALING) };
  const peer = async (name: (typeof PEERS)[number]) => {
    const leaf = await theirs[name][0].issueLeaf({ path: '/endpoint', ...LONG });
    const started = await FakePeer.start({ certificatePem: leaf.certPem, keyPem: leaf.keyPem });
    started.answer = answers.document(documentOf(theirs[name], 1n));
    return started;
  };
  peers = { [MOVING]: await peer(MOVING), [LAPSING]: await peer(LAPSING), [STALING]: await peer(STALING) };
  seed = tempDir();
  const world = await World.create(seed);
  await world.writeOwn(ours[0]);
  const agent = new Parts(await world.build(), world);
  await agent.start();
  await until(world.clock, () => world.log.records.some(({ message }) => message === 'own bundle published'));
  const admin = createAdminClient({
    socketPath: seed.file('admin.sock'),
    operator: 'test',
    timeoutMs: 20_000,
  });
  for (const name of PEERS)
    await admin.call('POST /v1/relationships', {
      body: {
        trust_domain: name,
        endpoint_url: peers[name].url(),
        profile: 'https_spiffe',
        endpoint_id: `spiffe://${name}/endpoint`,
        bundle: documentOf(theirs[name], 1n),
        ...(name === STALING ? { stale_after_seconds: STALE_S } : {}),
      },
    });
  let isDistrusted = false;
  const distrusted = admin
    .call('POST /v1/distrusted', {
      body: {
        trust_domain: LAPSING,
        key: theirs[LAPSING][1].authority.fingerprint,
        until: new Date(TEST_INSTANT.getTime() + LAPSES_S * 1000).toISOString(),
      },
    })
    .finally(() => {
      isDistrusted = true;
    });
  // The answer waits until the mesh has let go of the key.
  await until(world.clock, () => isDistrusted);
  await distrusted;
  await agent.stop();
  await peers[LAPSING].close();
  await peers[STALING].close();
});
afterAll(async () => {
  await peers[MOVING].close();
  seed[Symbol.dispose]();
});

function documentOf(cas: readonly TestCa[], sequence: bigint): string {
  const [first] = cas;
  if (!first) throw new TypeError('a bundle has roots here');
  const roots = cas.map(({ authority }) => authority);
  return Buffer.from(
    serializeBundle(bundleOf(first.trustDomain, roots, { sequence, refreshHintSeconds: 1 })),
  ).toString();
}

/** Moves time on in small steps until the condition holds; far less than a slow comparison waits for. */
async function until(clock: TestClock, condition: () => boolean): Promise<void> {
  for (let step = 0; step < 600 && !condition(); step += 1) {
    await clock.advance(20);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(condition()).toBe(true);
}

/** An agent with a mesh of files, its peers, and a proxy. */
class World {
  readonly log = createRecordingLog();
  clock = new TestClock(TEST_INSTANT);
  #port = 0;
  readonly folder: TempDir;

  private constructor(folder: TempDir) {
    this.folder = folder;
  }

  static async create(folder: TempDir): Promise<World> {
    const world = new World(folder);
    [world.#port = 0] = await freePorts(1);
    return world;
  }

  async writeOwn(...cas: TestCa[]): Promise<void> {
    writeFileSync(this.folder.file('roots.pem'), pemFromCertificates(cas.map(({ root }) => root)));
    const leaf = await cas[0]?.issueLeaf({ path: '/federate', ...LONG });
    // Swapped by a symbolic link, as Kubernetes does, so that the pair is never incomplete.
    const made = mkdtempSync(this.folder.file('svid-'));
    writeFileSync(join(made, 'tls.key'), leaf?.keyPem ?? '', { mode: 0o600 });
    writeFileSync(join(made, 'tls.crt'), leaf?.certPem ?? '');
    symlinkSync(basename(made), this.folder.file('next'));
    renameSync(this.folder.file('next'), this.folder.file('svid'));
  }

  build(): Promise<readonly Part[]> {
    const config = {
      trust_domain: 'a.example',
      store: 'federate.db',
      admin_socket: 'admin.sock',
      mesh: { kind: 'files', own_pem_files: ['roots.pem'], foreign_folder: 'foreign', poll: '1s' },
      endpoint: {
        profile: 'https_spiffe',
        listen: `127.0.0.1:${this.#port}`,
        url: `https://127.0.0.1:${this.#port}/`,
        svid: { certificate_file: 'svid/tls.crt', key_file: 'svid/tls.key' },
      },
      federation: { minimum_poll: '1s', hold: '0s' },
      workload_api: { socket: 'workload.sock' },
    };
    const file = this.folder.file('agent.yaml');
    writeFileSync(file, stringify(config));
    const { clock, log } = this;
    const context = { clock, log, random: systemRandom, environment: {} };
    return partsOfAgent(readConfig(file, agentConfigSchema), context);
  }

  /**
   * Everything changes: our mesh has another root, our SVID is another, a peer's root is revoked,
   * and time passes.
   */
  async change(): Promise<void> {
    await this.writeOwn(ours[1], ours[0]);
    const moving = peers[MOVING];
    moving.answer = answers.document(documentOf([theirs[MOVING][0]], 2n));
    for (let gone = 0; gone < CHANGES_MS; gone += 250) {
      await this.clock.advance(250);
      await moving.until(({ openConnections }) => openConnections === 0);
    }
  }

  /** The roots that a proxy is given of each trust domain. */
  proxy(): { readonly client: SdsClient; readonly of: (name: string) => number | 'nobody' | 'nothing' } {
    const names = ['a.example', ...PEERS].map((name) => `spiffe://${name}`);
    const client = new SdsClient({
      socketPath: this.folder.file('workload.sock'),
      resourceNames: names,
      nodeId: 'proxy',
      clock: this.clock,
      random: systemRandom,
      log: silentLog,
    });
    const known = new Set(
      [...ours, ...Object.values(theirs).flat()].map(({ root }) => Buffer.from(root).toString('base64')),
    );
    return {
      client,
      of: (name) => {
        const secret = client.current(`spiffe://${name}`);
        if (secret?.kind !== 'spiffe-validation') return 'nothing';
        const roots = certificatesFromPem(secret.trustDomains[0]?.trustBundlePem ?? '');
        return roots.every((der) => known.has(Buffer.from(der).toString('base64'))) ? roots.length : 'nobody';
      },
    };
  }

  /** How many roots the bundle endpoint serves. */
  async endpoint(): Promise<number> {
    const request = get({ host: '127.0.0.1', port: this.#port, rejectUnauthorized: false, agent: false });
    const [response] = await once(request, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return parseBundle(parseTrustDomain('a.example'), Buffer.concat(chunks)).bundle.x509Authorities.length;
  }

  /** How many roots of each peer are in the files. */
  files(): Record<string, number> {
    const folder = this.folder.file('foreign');
    return Object.fromEntries(
      readdirSync(folder)
        .filter((name) => name.endsWith('.pem'))
        .map((name) => [
          name.replace(/\.pem$/, ''),
          readFileSync(`${folder}/${name}`, 'utf8').split('BEGIN CERTIFICATE').length - 1,
        ]),
    );
  }
}

/** Restarts the agent of the seed; everything changes while the part with that index starts. */
async function restart(index: number) {
  const folder = tempDir();
  cpSync(seed.path, folder.path, { recursive: true });
  const world = await World.create(folder);
  peers[MOVING].answer = answers.document(documentOf(theirs[MOVING], 1n));
  world.clock = new TestClock(new Date(TEST_INSTANT.getTime() + AWAY_MS));
  const parts = await world.build();
  const agent = new Parts(
    parts.map((part, at) => ({
      name: part.name,
      start: async () => {
        if (at === index) await Promise.all([part.start?.(), world.change()]);
        else await part.start?.();
      },
      stop: async () => part.stop?.(),
    })),
    world,
  );
  return { world, folder, agent, parts };
}

describe('partsOfAgent()', () => {
  const STEPS = 21;

  it('has as many steps as are tried below', async () => {
    const { folder, parts } = await restart(0);
    try {
      expect(parts.length - 1).toBe(STEPS);
      await parts[0]?.stop?.();
    } finally {
      folder[Symbol.dispose]();
    }
  });

  it.each(
    Array.from({ length: STEPS }, (_each, index) => index + 1),
  )('serves in the end what is trusted, when every source changes during step %i of the start', async (step) => {
    const { world, folder, agent } = await restart(step);
    const { client, of } = world.proxy();
    try {
      await agent.start();
      client.start();
      const served = () => ['a.example', ...PEERS].map((name) => of(name));
      await until(world.clock, () => served().join() === '2,1,2,nobody');
      await expect.poll(() => world.endpoint()).toBe(2);
      await until(world.clock, () => (world.files()[MOVING] ?? 0) === 1 && world.files()[LAPSING] === 2);
      expect(world.log.records.filter(({ message }) => message.includes('was corrected'))).toEqual([]);
    } finally {
      await client.stop();
      await agent.stop();
      folder[Symbol.dispose]();
    }
  });
});
