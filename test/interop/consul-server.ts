import { writeFileSync } from 'node:fs';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { eventually, startProgram } from './program.ts';

const ADMIN = '11111111-2222-3333-4444-555555555555';

/** A real `consul agent -dev` with ACLs that deny by default. */
export interface ConsulServer {
  readonly folder: ReturnType<typeof tempDir>;
  readonly address: string;
  readonly grpcPort: number;
  readonly adminTokenFile: string;
  /** A request with the token that may do everything. */
  call(method: string, path: string, body?: unknown): Promise<unknown>;
  /** A file with a token for these rules of an ACL policy. */
  token(name: string, rules: string): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts Consul on free ports and waits until it has a leader and a CA. */
export async function startConsul(binary: string): Promise<ConsulServer> {
  const folder = tempDir();
  const [http = 0, grpc = 0, grpcTls = 0, server = 0, lan = 0, wan = 0] = await freePorts(6);
  writeFileSync(
    folder.file('consul.json'),
    JSON.stringify({
      bind_addr: '127.0.0.1',
      connect: { enabled: true },
      ports: { http, grpc, grpc_tls: grpcTls, dns: -1, server, serf_lan: lan, serf_wan: wan },
      acl: { enabled: true, default_policy: 'deny', tokens: { initial_management: ADMIN, agent: ADMIN } },
    }),
  );
  const program = startProgram(binary, ['agent', '-dev', '-config-file', folder.file('consul.json')], {
    logFile: folder.file('consul.log'),
  });
  const address = `http://127.0.0.1:${http}`;
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const headers = { 'x-consul-token': ADMIN, 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(`${address}${path}`, { method, headers, ...sent });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  await eventually(() => call('GET', '/v1/connect/ca/roots'));
  writeFileSync(folder.file('admin.token'), ADMIN);
  return {
    folder,
    address,
    grpcPort: grpc,
    adminTokenFile: folder.file('admin.token'),
    call,
    token: async (name, Rules) => {
      await call('PUT', '/v1/acl/policy', { Name: name, Rules });
      const { SecretID } = (await call('PUT', '/v1/acl/token', { Policies: [{ Name: name }] })) as {
        SecretID: string;
      };
      writeFileSync(folder.file(`${name}.token`), SecretID);
      return folder.file(`${name}.token`);
    },
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}
