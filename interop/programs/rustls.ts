import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { presentCa } from '../../testkit/agent-process.ts';
import type { TestCa, TestLeafOptions } from '../../testkit/test-ca.ts';
import {
  type LeafFiles,
  linkerdAnchors,
  linkerdName,
  linkerdRoot,
  nowish,
  PemFolder,
} from '../support/linkerd-mesh.ts';
import { rootChecks } from '../support/root-checks.ts';
import type { InteropCheck, InteropProgram } from '../support/program.ts';

const ROOT = join(import.meta.dirname, '../..');
/** What Linkerd's proxies verify with, asked about the anchors that the Linkerd adapter writes. */
export const rustls = linkerdVerifier('rustls', 'interop/rustls', {
  name: 'no SPIFFE ID passes by a narrowed anchor, whose ever it is',
  run: uris,
});

/** The same before RUSTSEC-2026-0098 was mended: what narrowing does not hold there. */
export const olderRustls = linkerdVerifier('rustls before webpki 0.103.12', 'interop/rustls/older', {
  name: 'SPIFFE IDs are not narrowed there, as docs/meshes/linkerd.md says',
  run: urisUnseen,
});

function linkerdVerifier(name: string, folder: string, aboutUris: InteropCheck): InteropProgram {
  return {
    name,
    variable: 'FEDERATE_CARGO',
    command: 'cargo',
    prepare: (cargo) => build(cargo, folder),
    version: () => versionsIn(join(ROOT, folder, 'Cargo.toml')),
    install: `Rust 1.85 or later, then \`cargo fetch --locked\` in ${folder}`,
    checks: [
      {
        name: 'Linkerd adapter: DNS identities of a peer pass, as server and client, also below an intermediate',
        run: genuine,
      },
      { name: 'one of another trust domain is refused, and passes by the plain root', run: forgedDns },
      aboutUris,
      ...rootChecks(
        (executable, pem) => ask(executable, ['anchors', pem])[0]?.refused,
        'a root with a byte behind it',
      ),
      { name: 'peers whose roots bear one name, and the own root among them', run: oneName },
      { name: 'whole handshakes in both directions; RSA leaves connect with nobody', run: handshakes },
    ],
  };
}

/** The exact versions that a manifest asks for. */
function versionsIn(manifest: string): string {
  const text = readFileSync(manifest, 'utf8');
  const [first, second] = [...text.matchAll(/version = "=([\d.]+)"/g)].map(([, version]) => version);
  return `${first}, webpki ${second}`;
}

/** Nothing is downloaded here: the crates are there, or the program is not run. */
function build(cargo: string, folder: string): string | undefined {
  const target = join(ROOT, '.interop/rustls');
  const words = ['build', '--offline', '--locked', '--quiet', '--target-dir', target];
  const { status } = spawnSync(cargo, words, { cwd: join(ROOT, folder), timeout: 300_000 });
  return status === 0 ? join(target, 'debug', `federate-${basename(folder)}`) : undefined;
}

interface Verdict {
  readonly names?: readonly string[];
  readonly refused?: string;
}

/** What the program says to these questions. */
function ask(executable: string, ...questions: readonly (readonly string[])[]): readonly Verdict[] {
  const input = questions.map((words) => `${words.join('\t')}\n`).join('');
  const { stdout, stderr } = spawnSync(executable, [], { input, encoding: 'utf8', timeout: 60_000 });
  const lines = stdout.trim().split('\n');
  assert.equal(lines.length, questions.length, `it did not answer every question: ${stdout}${stderr}`);
  return lines.map((line) => JSON.parse(line) as Verdict);
}

/** Mesh `own.example` whose adapter has written `west.example`. */
async function withPeer(work: (world: World) => Promise<void>): Promise<void> {
  using folder = new PemFolder();
  const [own, west] = [await presentCa('own.example'), await presentCa('west.example')];
  await work({
    folder,
    own,
    west,
    narrowed: folder.put(await linkerdAnchors(own, [west])),
    plain: folder.put(await linkerdAnchors(own, [west], { unnarrowed: true })),
    leaf: (ca, names) => folder.issue(ca, names),
  });
}

interface World {
  readonly folder: PemFolder;
  readonly own: TestCa;
  readonly west: TestCa;
  /** The pool that proxies get, and the same with the roots as they are. */
  readonly narrowed: string;
  readonly plain: string;
  readonly leaf: (ca: TestCa, names: TestLeafOptions) => Promise<LeafFiles>;
}

const OWN = linkerdName('own.example');
const WEST = linkerdName('west.example');

async function genuine(executable: string): Promise<void> {
  await withPeer(async ({ own, west, narrowed, leaf }) => {
    const below = await west.issueIntermediate({ subject: 'CN=identity.linkerd.cluster.local', ...nowish() });
    const further = await below.issueIntermediate(nowish());
    for (const [ca, name] of [
      [west, WEST],
      [below, WEST],
      [further, WEST],
      [own, OWN],
    ] as const) {
      const { chain } = await leaf(ca, { dnsSans: [name] });
      const [server, client] = ask(
        executable,
        ['server', narrowed, chain, name],
        ['client', narrowed, chain],
      );
      assert.deepEqual([server, client], [{ names: [name] }, { names: [name] }]);
    }
  });
}

async function forgedDns(executable: string): Promise<void> {
  await withPeer(async ({ west, narrowed, plain, leaf }) => {
    const below = await west.issueIntermediate(nowish());
    for (const [ca, dnsSans] of [
      [west, [OWN]],
      [below, [OWN]],
      [west, [WEST, OWN]],
      [west, ['own.example']],
      [west, [linkerdName('west.example.own.example')]],
      [west, [linkerdName('notwest.example')]],
    ] as const) {
      const { chain } = await leaf(ca, { dnsSans });
      const [name = ''] = dnsSans.filter((each) => each !== WEST);
      assertHeld(executable, { narrowed, plain, chain, name });
    }
  });
}

async function uris(executable: string): Promise<void> {
  await withPeer(async ({ west, narrowed, plain, leaf }) => {
    for (const { names, name } of URI_LEAVES) {
      const { chain } = await leaf(west, names);
      assertHeld(executable, { narrowed, plain, chain, name });
    }
  });
}

async function urisUnseen(executable: string): Promise<void> {
  await withPeer(async ({ west, narrowed, leaf }) => {
    for (const { names, name } of URI_LEAVES) {
      const { chain } = await leaf(west, names);
      const [server, client] = ask(
        executable,
        ['server', narrowed, chain, name],
        ['client', narrowed, chain],
      );
      assert.deepEqual([server?.refused, client?.refused], [undefined, undefined], name);
    }
  });
}

/** Leaves with SPIFFE IDs: of another, of its own, and beside a DNS name that is right. */
const URI_LEAVES = [
  {
    names: { uriSans: ['spiffe://own.example/ns/shop/sa/web'] },
    name: 'spiffe://own.example/ns/shop/sa/web',
  },
  {
    names: { uriSans: ['spiffe://west.example/ns/shop/sa/web'] },
    name: 'spiffe://west.example/ns/shop/sa/web',
  },
  {
    names: { dnsSans: [WEST], uriSans: ['spiffe://own.example/ns/shop/sa/web'] },
    name: 'spiffe://own.example/ns/shop/sa/web',
  },
];

/** Refused as server and as client by what the adapter writes, and accepted by the roots as they are. */
function assertHeld(
  executable: string,
  { narrowed, plain, chain, name }: { narrowed: string; plain: string; chain: string; name: string },
): void {
  const answers = ask(
    executable,
    ['server', narrowed, chain, name],
    ['client', narrowed, chain],
    ['server', plain, chain, name],
    ['client', plain, chain],
  );
  const [server, client, plainServer, plainClient] = answers;
  assert.match(server?.refused ?? 'accepted', /NameConstraintViolation/, `${name} as a server`);
  assert.match(client?.refused ?? 'accepted', /NameConstraintViolation/, `${name} as a client`);
  assert(
    plainServer?.names?.includes(name) && plainClient?.names?.includes(name),
    `${name} by the plain root`,
  );
}

async function oneName(executable: string): Promise<void> {
  using folder = new PemFolder();
  const own = await linkerdRoot('own.example');
  const peers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => linkerdRoot(`peer-${index}.example`)),
  );
  const pool = folder.put(await linkerdAnchors(own, peers));
  for (const ca of [own, ...peers]) {
    const [name, other] = [linkerdName(ca.trustDomain), linkerdName('peer-7.example')];
    const below = await ca.issueIntermediate({ subject: 'CN=identity.linkerd.cluster.local', ...nowish() });
    const { chain } = await folder.issue(below, { dnsSans: [name] });
    const forged = await folder.issue(below, { dnsSans: [other] });
    const [server, client, thief] = ask(
      executable,
      ['server', pool, chain, name],
      ['client', pool, chain],
      ['server', pool, forged.chain, other],
    );
    assert.deepEqual([server, client], [{ names: [name] }, { names: [name] }]);
    // An own root speaks for every name, as it did before.
    const free = ca === own || name === other;
    assert.equal(thief?.refused === undefined, free, `${ca.trustDomain} for ${other}: ${thief?.refused}`);
  }
}

async function handshakes(executable: string): Promise<void> {
  await withPeer(async ({ folder, own, west, narrowed, plain, leaf }) => {
    const westPool = folder.put(await linkerdAnchors(west, [own]));
    const ours = await leaf(own, { dnsSans: [OWN] });
    const theirs = await leaf(west, { dnsSans: [WEST] });
    const rsa = await leaf(west, { dnsSans: [WEST], keyKind: 'RSA-2048' });
    const thief = await leaf(west, { dnsSans: [OWN] });
    const meet = (
      id: string,
      client: LeafFiles,
      clientPool: string,
      server: LeafFiles,
      serverPool: string,
    ) => ['meet', id, clientPool, client.chain, client.key, serverPool, server.chain, server.key];
    const [toThem, fromThem, asClient, asServer, plainClient, plainServer, withRsa] = ask(
      executable,
      meet(WEST, ours, narrowed, theirs, westPool),
      meet(OWN, theirs, westPool, ours, narrowed),
      meet(OWN, thief, westPool, ours, narrowed),
      meet(OWN, ours, narrowed, thief, westPool),
      meet(OWN, thief, westPool, ours, plain),
      meet(OWN, ours, plain, thief, westPool),
      meet(WEST, ours, narrowed, rsa, westPool),
    );
    assert.deepEqual([toThem, fromThem], [{ names: [OWN] }, { names: [WEST] }]);
    assert.match(asClient?.refused ?? '', /the server refused the client: .*NameConstraintViolation/);
    assert.match(asServer?.refused ?? '', /the client refused the server: .*NameConstraintViolation/);
    assert.deepEqual([plainClient, plainServer], [{ names: [OWN] }, { names: [OWN] }]);
    assert(withRsa?.refused !== undefined);
  });
}
