import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MeshServices, ServiceReport, WantedAccess } from '../../src/mesh-adapters/index.ts';
import {
  type AccessRule,
  type ImportedService,
  parseCaller,
  parseServiceId,
  type OwnService,
} from '../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain, type TrustDomain } from '../../src/spiffe/index.ts';
import { importedPort, importedService } from '../imported-services.ts';

/** An import as the mesh itself would carry it out. */
export interface SeenImport {
  readonly spiffeIds: readonly string[];
  /** The SNI of each port, by name. */
  readonly sni: Readonly<Record<string, string>>;
}

/** A mesh with the services half of an adapter, as the contract needs them. */
export interface MeshServicesHarness {
  readonly services: MeshServices;
  readonly trustDomain: TrustDomain;
  /**
   * A service of the mesh that can be exported, and the ID of one that cannot. The mesh has both
   * from the beginning.
   */
  readonly exportable: string;
  readonly unexportable: string;
  /** A caller that the mesh can name in a rule. */
  readonly caller: string;
  /** The code of the obstacle that every service of the mesh has; left out where it can export. */
  readonly refusesExports?: string;
  /** The code with which the adapter refuses every import; left out where it writes them. */
  readonly refusesImports?: string;
  /** Whether the mesh sends an SNI of its own choice. */
  readonly computesSni?: boolean;
  /** Adjusts an import to what the mesh can express, for example other namespaces. */
  readonly adjust?: (service: ImportedService) => ImportedService;
  /** Everything in the mesh that the adapter could have touched, so that "nothing changed" can be seen. */
  state(): Promise<string>;
  /** The imports that the mesh itself holds now, by local name. */
  imports(): Promise<Readonly<Record<string, SeenImport>>>;
  /** Puts objects of another writer there, of every kind that the adapter writes. */
  addForeign(): Promise<void>;
  /** Changes every object of the adapter as another writer would; returns how many there were. */
  edit(): Promise<number>;
  /** From now on the mesh refuses what is written for services with this ID; undefined ends that. */
  refuse(service: string | undefined): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What the services half of every adapter must do, whatever the mesh. */
export function meshServicesContract(name: string, open: () => Promise<MeshServicesHarness>): void {
  describe(`${name} keeps the contract of mesh services:`, () => {
    let mesh: MeshServicesHarness;
    const { signal } = new AbortController();
    beforeEach(async () => {
      mesh = await open();
    });
    afterEach(() => mesh[Symbol.asyncDispose]());

    const imported = (more?: Parameters<typeof importedService>[0]) =>
      (mesh.adjust ?? ((each) => each))(importedService(more));
    const applyImports = async (...wanted: readonly ImportedService[]) =>
      await mesh.services.applyImports(wanted, signal);
    const own = async (): Promise<OwnService> => {
      const found = (await mesh.services.readServices(signal)).find(({ id }) => id === mesh.exportable);
      if (!found) throw new Error(`the harness has no service ${mesh.exportable}`);
      return found;
    };
    const accessTo = async (...rules: readonly Partial<AccessRule>[]): Promise<WantedAccess> => {
      const { id, ports, namespace = '', labels } = await own();
      return {
        policy: {
          service: { id, ports },
          rules: rules.map((rule, index) => ({
            id: `rule-${index + 1}`,
            effect: 'allow',
            callers: [parseCaller(mesh.caller)],
            ...rule,
          })),
        },
        placement: { namespace, labels, peerNames: {} },
      };
    };

    describe('readServices()', () => {
      it('gives what can be exported with IDs of the own trust domain and a target for each port', async () => {
        const service = await own();
        expect(service.origin).toBe('mesh');
        expect(service.obstacle?.code).toBe(mesh.refusesExports);
        if (mesh.refusesExports !== undefined) return;
        expect(service.spiffeIds.length).toBeGreaterThan(0);
        for (const id of service.spiffeIds) expect(id).toMatch(new RegExp(`^spiffe://${mesh.trustDomain}/.`));
        expect(service.ports.length).toBeGreaterThan(0);
        for (const { target } of service.ports) expect(target).toBeDefined();
      });

      it('tells why a service cannot be exported, and writes nothing', async () => {
        const before = await mesh.state();
        const found = (await mesh.services.readServices(signal)).find(({ id }) => id === mesh.unexportable);
        expect(found?.obstacle?.code).toMatch(/^[a-z][a-z-]+$/);
        expect(found?.obstacle?.message).not.toBe('');
        expect(await mesh.state()).toBe(before);
      });
    });

    describe('applyExports()', () => {
      const consumers = [parseTrustDomain('west.example')];

      it('reports on each export, changes nothing a second time, and leaves no trace at the end', async () => {
        await mesh.services.applyExports([], signal);
        const before = await mesh.state();
        const service = await own();
        const reports = await mesh.services.applyExports([{ service, consumers }], signal);
        expect(reports).toMatchObject([{ subject: 'export', service: mesh.exportable }]);
        const isExported = ['written', 'accepted', 'in-effect'].includes(reports[0]?.state ?? '');
        expect(isExported ? undefined : reports[0]?.code).toBe(mesh.refusesExports);
        const held = await mesh.state();
        await mesh.services.applyExports([{ service, consumers }], signal);
        expect(await mesh.state()).toBe(held);
        for (const { state } of await mesh.services.applyExports([], signal)) expect(state).toBe('removed');
        expect(await mesh.state()).toBe(before);
      });

      it('refuses a service that the mesh does not have, and goes on with the others', async () => {
        const service = await own();
        const missing = { ...service, id: parseServiceId('no-such-service') };
        const reports = await mesh.services.applyExports(
          [
            { service: missing, consumers },
            { service, consumers },
          ],
          signal,
        );
        expect(statesOf(reports)).toMatchObject({ 'export no-such-service': 'refused' });
        if (mesh.refusesExports !== undefined) return;
        expect(['written', 'accepted', 'in-effect']).toContain(
          statesOf(reports)[`export ${mesh.exportable}`],
        );
      });
    });

    describe('applyImports()', () => {
      /** Makes an import, or says that this mesh refuses all of them, after showing that it does. */
      const isRefused = async (): Promise<boolean> => {
        const code = mesh.refusesImports;
        if (code === undefined) return false;
        const before = await mesh.state();
        expect(await applyImports(imported())).toMatchObject([{ state: 'refused', code }]);
        expect(await mesh.state()).toBe(before);
        return true;
      };

      it('makes the mesh know a service by SNI and SPIFFE IDs, and doing it again changes nothing', async () => {
        if (await isRefused()) return;
        const [info, web] = [imported(), imported({ id: 'web' })];
        const reports = await applyImports(info, web);
        expect(reports).toMatchObject([
          { subject: 'import', service: 'info', trustDomain: 'west.example' },
          { subject: 'import', service: 'web', trustDomain: 'west.example' },
        ]);
        for (const { state } of reports) expect(['written', 'accepted', 'in-effect']).toContain(state);
        const seen = await mesh.imports();
        expect(Object.keys(seen).sort()).toEqual([info.name, web.name].sort());
        expect(seen[info.name]?.spiffeIds).toEqual(info.spiffeIds);
        const sni = mesh.computesSni ? reports[0]?.wantedSni : { http: 'info.west.example' };
        expect(seen[info.name]?.sni).toEqual(sni);
        const before = await mesh.state();
        await applyImports(web, info);
        expect(await mesh.state()).toBe(before);
      });

      it('follows a change of the identity', async () => {
        if (await isRefused()) return;
        await applyImports(imported());
        const next = imported({ spiffeIds: [parseSpiffeId('spiffe://west.example/ns/weather/sa/next')] });
        await applyImports(next);
        expect((await mesh.imports())[next.name]?.spiffeIds).toEqual(next.spiffeIds);
      });

      it('removes what is no longer wanted and leaves no trace of it', async () => {
        if (await isRefused()) return;
        await applyImports();
        const before = await mesh.state();
        await applyImports(imported(), imported({ id: 'web' }));
        const reports = await applyImports(imported({ id: 'web' }));
        expect(statesOf(reports)).toMatchObject({ 'import west.example/info': 'removed' });
        expect(Object.keys(await mesh.imports())).toEqual([imported({ id: 'web' }).name]);
        await applyImports();
        expect(await mesh.imports()).toEqual({});
        expect(await mesh.state()).toBe(before);
        expect(await applyImports()).toEqual([]);
      });

      it('never touches objects of others', async () => {
        await mesh.addForeign();
        const before = await mesh.state();
        await applyImports(imported());
        await applyImports();
        expect(await mesh.state()).toBe(before);
      });

      it('restores what another writer changed', async () => {
        if (await isRefused()) return;
        await applyImports(imported());
        const before = await mesh.imports();
        expect(await mesh.edit()).toBeGreaterThan(0);
        expect(await mesh.imports()).not.toEqual(before);
        await applyImports(imported());
        expect(await mesh.imports()).toEqual(before);
      });

      it('goes on with the others where the mesh refuses one', async () => {
        if (await isRefused()) return;
        mesh.refuse('broken');
        const reports = await applyImports(imported({ id: 'broken' }), imported());
        const [broken, info] = reports;
        expect(broken).toMatchObject({ service: 'broken', state: 'refused' });
        expect(broken?.code).toBeDefined();
        expect(broken?.message).not.toBe('');
        expect(['written', 'accepted', 'in-effect']).toContain(info?.state);
        expect(Object.keys(await mesh.imports())).toEqual([imported().name]);
        mesh.refuse(undefined);
        await applyImports(imported({ id: 'broken' }), imported());
        expect(Object.keys(await mesh.imports())).toContain(imported({ id: 'broken' }).name);
      });

      it('keeps the last good import where the mesh refuses the next one', async () => {
        if (await isRefused()) return;
        await applyImports(imported());
        const before = await mesh.imports();
        mesh.refuse('info');
        const next = imported({ spiffeIds: [parseSpiffeId('spiffe://west.example/ns/weather/sa/next')] });
        expect(await applyImports(next)).toMatchObject([{ state: 'refused' }]);
        expect(await mesh.imports()).toEqual(before);
      });

      it.each<[string, Partial<ImportedService>, string]>([
        ['SPIFFE IDs', { spiffeIds: [] }, 'import-incomplete'],
        ['a namespace', { namespaces: [] }, 'import-incomplete'],
        ['ports', { ports: [] }, 'import-incomplete'],
        ['an SNI', { ports: [importedPort({ sni: '' })] }, 'import-incomplete'],
        ['a legal SNI', { ports: [importedPort({ sni: 'outbound_.80_._.web' })] }, 'import-incomplete'],
        ['an endpoint', { ports: [importedPort({ endpoints: [] })] }, 'import-incomplete'],
        ['a name that is a host name', { name: '*.federated' }, 'import-name-invalid'],
        [
          'only IDs of its owner',
          { spiffeIds: [parseSpiffeId('spiffe://east.example/ns/a/sa/b')] },
          'import-foreign-identity',
        ],
      ])('writes nothing of an import without %s, and goes on (invariant 12)', async (_what, more, code) => {
        if (await isRefused()) return;
        const faulty = { ...imported({ id: 'faulty' }), ...more };
        const [refused, other] = await applyImports(faulty, imported());
        expect(refused).toMatchObject({ service: 'faulty', state: 'refused', code });
        expect(['written', 'accepted', 'in-effect']).toContain(other?.state);
        expect(Object.keys(await mesh.imports())).toEqual([imported().name]);
      });

      it('refuses the second import of one name, and the first keeps it', async () => {
        if (await isRefused()) return;
        const north = imported({ trustDomain: parseTrustDomain('north.example'), name: imported().name });
        const reports = await applyImports(imported(), north);
        expect(statesOf(reports)).toMatchObject({ 'import north.example/info': 'refused' });
        expect((await mesh.imports())[imported().name]?.spiffeIds).toEqual(imported().spiffeIds);
      });

      it('keeps a draining import until it is no longer wanted', async () => {
        if (await isRefused()) return;
        await applyImports(imported());
        const [report] = await applyImports({ ...imported(), state: 'draining' });
        expect(['written', 'accepted', 'in-effect']).toContain(report?.state);
        expect((await mesh.imports())[imported().name]?.spiffeIds).toEqual(imported().spiffeIds);
        await applyImports();
        expect(await mesh.imports()).toEqual({});
      });
    });

    describe('applyAccess()', () => {
      it('writes a policy, changes nothing a second time, and leaves no trace at the end', async () => {
        await mesh.services.applyAccess([], signal);
        const before = await mesh.state();
        const wanted = await accessTo({});
        const reports = await mesh.services.applyAccess([wanted], signal);
        expect(reports).toMatchObject([{ subject: 'access', service: mesh.exportable }]);
        expect(['written', 'accepted', 'in-effect']).toContain(reports[0]?.state);
        const held = await mesh.state();
        expect(held).not.toBe(before);
        await mesh.services.applyAccess([wanted], signal);
        expect(await mesh.state()).toBe(held);
        expect(await mesh.services.applyAccess([], signal)).toMatchObject([{ state: 'removed' }]);
        expect(await mesh.state()).toBe(before);
      });

      it('follows a change of the rules, and never touches objects of others', async () => {
        await mesh.addForeign();
        const before = await mesh.state();
        await mesh.services.applyAccess([await accessTo()], signal);
        const empty = await mesh.state();
        await mesh.services.applyAccess([await accessTo({})], signal);
        expect(await mesh.state()).not.toBe(empty);
        await mesh.services.applyAccess([], signal);
        expect(await mesh.state()).toBe(before);
      });

      it('restores what another writer changed', async () => {
        const wanted = await accessTo({});
        await mesh.services.applyAccess([wanted], signal);
        const before = withoutVersions(await mesh.state());
        expect(await mesh.edit()).toBeGreaterThan(0);
        expect(withoutVersions(await mesh.state())).not.toBe(before);
        await mesh.services.applyAccess([wanted], signal);
        expect(withoutVersions(await mesh.state())).toBe(before);
      });

      it('reports a policy that the mesh refuses, and keeps what stands there', async () => {
        const wanted = await accessTo({});
        await mesh.services.applyAccess([wanted], signal);
        const before = await mesh.state();
        mesh.refuse(mesh.exportable);
        const next = await accessTo({ callers: [parseCaller(`${mesh.caller}-next`)] });
        const [report] = await mesh.services.applyAccess([next], signal);
        expect(report).toMatchObject({ subject: 'access', state: 'refused' });
        expect(report?.code).toBeDefined();
        expect(await mesh.state()).toBe(before);
      });
    });
  });
}

function statesOf(reports: readonly ServiceReport[]): Record<string, string> {
  return Object.fromEntries(
    reports.map(({ subject, service, trustDomain, state }) => [
      trustDomain === undefined ? `${subject} ${service}` : `${subject} ${trustDomain}/${service}`,
      state,
    ]),
  );
}

/** The state without what a server counts up on every write. */
function withoutVersions(state: string): string {
  return state.replaceAll(/"resourceVersion":"\d+",|,"resourceVersion":"\d+"/g, '');
}
