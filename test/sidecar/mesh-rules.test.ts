import { beforeAll, describe, expect, it } from 'vitest';
import type { AccessFilter } from '../../src/workload-api/index.ts';
import { judgeFilters } from '../../src/demonstration/sidecar/index.ts';
import type { Upstream } from '../../src/demonstration/sidecar/upstream/upstream.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { call, outboundTo, perDomain, type TestLeaf, World } from './support.ts';

type Filters = { readonly deny: AccessFilter['rules']; readonly allow: AccessFilter['rules'] };

let a: TestCa;
let b: TestCa;
let caller: TestLeaf;
let other: TestLeaf;
let info: TestLeaf;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  [caller, other] = await Promise.all([a.issueLeaf({ path: '/caller' }), a.issueLeaf({ path: '/other' })]);
  info = await b.issueLeaf({ path: '/info' });
});

const loopback = (port = 0) => ({ host: '127.0.0.1', port });

/** GET of /remark by the caller, and nothing else. */
const onlyRemark = (port: number): Filters => ({
  deny: { action: 'DENY', policies: {} },
  allow: {
    action: 'ALLOW',
    policies: {
      read: {
        permissions: [
          {
            and_rules: {
              rules: [
                { destination_port: port },
                { header: { name: ':method', string_match: { exact: 'GET' } } },
                { url_path: { path: { exact: '/remark' } } },
              ],
            },
          },
        ],
        principals: [{ authenticated: { principal_name: { exact: caller.id } } }],
      },
    },
  },
});

/** A workload behind a sidecar that takes its rules from the mesh, and the sidecars of two callers. */
async function underRules(world: World) {
  const served: string[] = [];
  const workload = await world.workload((incoming, response) => {
    served.push(`${incoming.method} ${incoming.url}`);
    response.end('a remark');
  });
  const mesh: { filters: Filters | undefined } = { filters: undefined };
  const inside = await world.sidecar(info, perDomain(b.bundle(), a.bundle()), {
    inbound: {
      listen: loopback(),
      forwardTo: loopback(workload),
      allow: {
        judge: (request) =>
          mesh.filters ? judgeFilters(mesh.filters, request) : { allowed: false, code: 'mesh-silent' },
      },
    },
  });
  const port = inside.sidecar.inbound?.address().port ?? 0;
  const callers = await Promise.all(
    [caller, other].map((leaf) =>
      world.sidecar(leaf, perDomain(b.bundle(), a.bundle()), { outbound: [outboundTo(port, info.id)] }),
    ),
  );
  const [out = 0, outOfOther = 0] = callers.map(({ sidecar }) => sidecar.outbound[0]?.address().port ?? 0);
  return { mesh, served, out, outOfOther, rules: onlyRemark(workload) };
}

describe('rules of the mesh in front of a workload', () => {
  it('let nobody in before the mesh has sent them', async () => {
    await using world = new World();
    const { out, served } = await underRules(world);
    const { status, body } = await call(out, { path: '/remark' });
    expect({ status, code: JSON.parse(body).code }).toEqual({ status: 503, code: 'mesh-silent' });
    expect(served).toEqual([]);
  });

  it('decide about each request on its own, with 403 and a code', async () => {
    await using world = new World();
    const { mesh, out, outOfOther, served, rules } = await underRules(world);
    mesh.filters = rules;
    expect(await call(out, { path: '/remark?day=1' })).toMatchObject({ status: 200, body: 'a remark' });
    const refusals = [
      [out, { path: '/secret' }, 'access-denied'],
      [out, { path: '/remark', method: 'POST' }, 'access-denied'],
      [out, { path: '/remark/' }, 'access-denied'],
      [outOfOther, { path: '/remark' }, 'access-denied'],
      [out, { path: '/x/../remark' }, 'path-ambiguous'],
      [out, { path: '//remark' }, 'path-ambiguous'],
      [out, { path: '/%72emark' }, 'path-ambiguous'],
    ] as const;
    for (const [port, request, code] of refusals) {
      const { status, body } = await call(port, request);
      expect({ ...request, status, code: JSON.parse(body).code }).toEqual({ ...request, status: 403, code });
    }
    expect(served).toEqual(['GET /remark?day=1']);
  });

  it('hold for the next request of an open connection after a change', async () => {
    await using world = new World();
    const { mesh, out, rules } = await underRules(world);
    mesh.filters = rules;
    expect((await call(out, { path: '/remark' })).status).toBe(200);
    mesh.filters = { ...rules, allow: { action: 'ALLOW', policies: {} } };
    expect((await call(out, { path: '/remark' })).status).toBe(403);
  });
});

describe('an upstream of the mesh', () => {
  it('that is not there is answered with the reason of its source', async () => {
    await using world = new World();
    let current: Upstream = {
      name: 'info.b.federated',
      endpoints: [],
      absence: { code: 'service-unknown', message: 'it was not imported' },
    };
    let changed = () => {};
    const { sidecar } = await world.sidecar(caller, perDomain(a.bundle()), {
      outbound: [
        {
          listen: loopback(),
          upstream: {
            name: current.name,
            current: () => current,
            onChange: (listener) => {
              changed = listener;
              return () => {};
            },
          },
        },
      ],
    });
    const port = sidecar.outbound[0]?.address().port ?? 0;
    const codeNow = async () => JSON.parse((await call(port)).body).code;
    expect(await codeNow()).toBe('service-unknown');
    current = { name: current.name, endpoints: [] };
    changed();
    expect(await codeNow()).toBe('no-endpoint');
  });
});
