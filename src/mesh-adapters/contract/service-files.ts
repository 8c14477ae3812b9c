import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors/index.ts';
import { type Clock, readRegularFile, writeDurably } from '../../platform/index.ts';
import {
  type AccessPolicy,
  callerText,
  compilers,
  type ImportedService,
  writeRule,
} from '../../services/index.ts';
import { MeshAdapterError } from './errors.ts';
import { judgeImports } from './judge-imports.ts';
import type { MeshServices, WantedAccess, WantedExport } from './mesh-services.ts';
import { accessSubject, exportSubject, importSubject, serviceReport } from './service-report.ts';

const MARK = 'written by Federate; changes are undone';
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const OPA_FOLDER = 'opa';

/**
 * Services as data, for whatever consumes them: `imports.json`, `exports.json` and `access.json` in a
 * folder, and `opa/` with the access policies as a bundle of OPA. Each file is replaced as a whole,
 * and is there only while something is wanted. Rejects with `MeshAdapterError` `file-not-ours`,
 * `file-unreadable`, `file-unwritable`.
 */
export function createServiceFiles(folder: string, clock: Clock): MeshServices {
  return {
    // The operator declares own services: nothing here knows them.
    readServices: async () => [],
    applyExports: async (wanted) => {
      await hold(folder, 'exports.json', 'exports', wanted.map(exportDocument));
      return wanted.map((each) => serviceReport(exportSubject(each), 'written', clock.now()));
    },
    applyImports: async (wanted) => {
      const judged = judgeImports(wanted);
      const good = judged.filter(({ fault }) => !fault).map(({ service }) => service);
      await hold(folder, 'imports.json', 'imports', good.map(importDocument));
      return judged.map(({ service, fault }) =>
        serviceReport(importSubject(service), fault ? 'refused' : 'written', clock.now(), fault),
      );
    },
    applyAccess: async (wanted) => {
      const policies = wanted.map(({ policy }) => policy);
      await hold(folder, 'access.json', 'access', policies.map(policyDocument));
      await holdOpaBundle(folder, policies);
      return wanted.map((each: WantedAccess) => serviceReport(accessSubject(each), 'written', clock.now()));
    },
  };
}

function importDocument(service: ImportedService): object {
  const { name, id, trustDomain, spiffeIds, namespaces, state, ports } = service;
  return {
    name,
    service: id,
    trust_domain: trustDomain,
    spiffe_ids: spiffeIds,
    namespaces,
    state,
    ports: ports.map(({ serverFirst: server_first, ...port }) => ({ ...port, server_first })),
  };
}

function exportDocument({ service, consumers }: WantedExport): object {
  const { id, spiffeIds, ports } = service;
  return { service: id, consumers, spiffe_ids: spiffeIds, ports: ports.map(portDocument) };
}

function policyDocument({ service, rules }: AccessPolicy): object {
  return {
    service: service.id,
    ports: service.ports.map(portDocument),
    rules: rules.map((rule) => ({ id: rule.id, ...writeRule(rule) })),
    callers: [...new Set(rules.flatMap(({ callers }) => callers.map(callerText)))].toSorted(),
  };
}

function portDocument({
  name,
  port,
  protocol,
}: {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}) {
  return { name, port, protocol };
}

/** The files of OPA's own bundle format, with every policy in one document. */
async function holdOpaBundle(folder: string, policies: readonly AccessPolicy[]): Promise<void> {
  const data: Record<string, unknown> = {};
  const files = new Map<string, unknown>();
  for (const policy of policies) {
    const { objects } = compilers.opa(policy, { namespace: '', labels: {}, peerNames: {} });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the compiler's own objects
    for (const { path, content } of objects as readonly { path: string; content: unknown }[])
      files.set(path, content);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the compiler's own objects
    Object.assign(data, (files.get('federate/data.json') as { services: object }).services);
  }
  const place = join(folder, OPA_FOLDER);
  const manifest = join(place, '.manifest');
  const isThere = await isOurs(manifest);
  if (policies.length === 0) {
    if (isThere) await attempt(place, () => rm(place, { recursive: true, force: true }));
    return;
  }
  await replace(manifest, textOf({ roots: ['federate'], metadata: { note: MARK } }));
  await replace(join(place, 'federate/authz.rego'), String(files.get('federate/authz.rego')));
  await replace(join(place, 'federate/data.json'), textOf({ services: data }));
}

/** Makes a file of ours hold exactly this list, and takes it away where there is nothing to hold. */
async function hold(folder: string, name: string, key: string, content: readonly object[]): Promise<void> {
  const path = join(folder, name);
  const isThere = await isOurs(path);
  if (content.length > 0) await replace(path, textOf({ note: MARK, [key]: content }));
  else if (isThere) await attempt(path, () => rm(path, { force: true }));
}

/** Whether a file is there. Throws `MeshAdapterError` `file-not-ours` where another writer made it. */
async function isOurs(path: string): Promise<boolean> {
  const bytes = await read(path);
  if (!bytes) return false;
  if (bytes.includes(MARK)) return true;
  throw new MeshAdapterError(
    'file-not-ours',
    `${JSON.stringify(path)} is there and was not written by us; choose another folder for services`,
  );
}

async function replace(path: string, text: string): Promise<void> {
  const before = await read(path);
  if (before?.toString('utf8') === text) return;
  await attempt(path, async () => {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await writeDurably(path, text);
  });
}

async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await readRegularFile(path, MAX_FILE_BYTES);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined;
    throw new MeshAdapterError('file-unreadable', `${JSON.stringify(path)} could not be read`, { cause });
  }
}

async function attempt(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new MeshAdapterError('file-unwritable', `${JSON.stringify(path)} could not be written`, { cause });
  }
}

const textOf = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;
