import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Answer, type RouteName, routes } from '../../src/admin/index.ts';
import { pathOf } from '../../src/cli/federate-command.ts';
import { idleProgram, verbsOf } from '../../testkit/command-examples.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { TestReader } from '../../testkit/reader.ts';
import { serveAdmin } from '../../testkit/serve-admin.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const PAGE = readFileSync(resolve(import.meta.dirname, '../../docs/json.md'), 'utf8');

/** The rows of a table of docs/json.md: what is in the first column, and the code in the second. */
function rowsOf(name: string): ReadonlyMap<string, readonly string[]> {
  const table = PAGE.split(`<!-- ${name}:begin -->`)[1]?.split(`<!-- ${name}:end -->`)[0] ?? '';
  const rows = [...table.matchAll(/^\| `(federate [^`]+)` \| (.*) \|$/gm)];
  return new Map(
    rows.map(([, verb = '', text = '']) => [
      verb,
      [...text.replaceAll(/\([^)]*\)/g, '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code),
    ]),
  );
}

const documents = rowsOf('documents');
const own = rowsOf('own');

/** The smallest document that a JSON Schema takes, with every member that it knows. */
function sampleOf(schema: unknown, all: Record<string, unknown>): unknown {
  const {
    $ref,
    const: only,
    enum: some,
    anyOf,
    type: types,
    properties,
    items,
    ...rest
  } = schema as Record<string, never>;
  if ($ref !== undefined) return sampleOf(all[String($ref).replace('#/$defs/', '')], all);
  if (only !== undefined) return only;
  if (some !== undefined) return some[0];
  if (anyOf !== undefined) return sampleOf(anyOf[0], all);
  const type = String(Array.isArray(types) ? types[0] : types);
  if (type === 'object')
    return Object.fromEntries(
      Object.entries(properties ?? {}).map(([name, member]) => [name, sampleOf(member, all)]),
    );
  if (type === 'array') return [sampleOf(items, all)];
  if (type === 'boolean') return true;
  if (type === 'integer' || type === 'number') return Math.max(1, Number(rest['minimum'] ?? 1));
  if (type === 'null') return null;
  return rest['pattern'] === undefined || new RegExp(rest['pattern']).test('7') ? '7' : '7'.repeat(64);
}

function answerOf<Name extends RouteName>(name: Name): Answer<Name> {
  const { answer } = routes[name];
  const schema: { $defs?: Record<string, unknown> } = z.toJSONSchema(answer, {
    io: 'input',
    reused: 'inline',
  });
  const sample = sampleOf(schema, schema.$defs ?? {});
  // The sample is one that the contract takes, with no member of its own.
  expect(answer.parse(sample)).toEqual(sample);
  return sample as Answer<Name>;
}

/** The words behind each verb, and the route that it asks with them. */
const CALLS: readonly (readonly [verb: string, route: RouteName, ...words: string[]])[] = [
  ['status', 'GET /v1/status'],
  ['invite', 'POST /v1/invitations'],
  ['invite list', 'GET /v1/invitations'],
  ['invite cancel', 'DELETE /v1/invitations/{id}', 'ab'],
  [
    'add',
    'POST /v1/relationships',
    '--peer',
    'https://b.example/',
    '--trust-domain',
    'b.example',
    '--profile',
    'https_web',
    '--web-pki',
  ],
  ['approve', 'POST /v1/invitations/approve', 'ab'],
  ['list', 'GET /v1/relationships'],
  ['show', 'GET /v1/relationships/{trust_domain}', 'b.example'],
  ['refresh', 'POST /v1/refresh'],
  ['change', 'PATCH /v1/relationships/{trust_domain}', 'b.example', '--policy', 'auto'],
  ['remove', 'DELETE /v1/relationships/{trust_domain}', 'b.example'],
  ['adopt', 'GET /v1/unrecorded-trust'],
  ['adopt', 'DELETE /v1/unrecorded-trust/{trust_domain}', 'b.example', '--drop'],
  ['review', 'GET /v1/offers'],
  ['review', 'GET /v1/offers/{trust_domain}', 'b.example'],
  [
    'review',
    'POST /v1/offers/{trust_domain}',
    'b.example',
    '--reject',
    '--digest',
    'aaaaaa',
    '--reason',
    'no',
  ],
  ['service offers', 'GET /v1/service-offers'],
  ['service offers', 'GET /v1/service-offers/{trust_domain}', 'b.example'],
  ['service import', 'POST /v1/imports', 'info', '--from', 'b.example'],
  ['service drop', 'POST /v1/dropped-imports', 'info'],
  ['service review', 'GET /v1/waiting-lists'],
  [
    'service review',
    'POST /v1/waiting-lists/{trust_domain}',
    'b.example',
    '--reject',
    'aaaaaa',
    '--reason',
    'no',
  ],
  ['bundle show', 'GET /v1/bundles/{trust_domain}', 'b.example'],
  ['bundle history', 'GET /v1/bundles/{trust_domain}/history', 'b.example'],
  ['bundle diff', 'GET /v1/bundles/{trust_domain}/diff', 'b.example'],
  ['bundle set', 'PUT /v1/bundles/{trust_domain}', 'b.example', import.meta.filename],
  ['bundle sign', 'POST /v1/signed-bundle'],
  ['verify', 'POST /v1/verify', import.meta.filename],
  ['verify', 'POST /v1/verify-jwt', '--jwt', import.meta.filename, '--audience', 'info'],
  ['distrust', 'POST /v1/distrusted', 'b.example', 'aaaaaa'],
  ['distrust list', 'GET /v1/distrusted'],
  ['trust', 'POST /v1/trusted-again', '--again', 'b.example', 'aaaaaa'],
  ['service export', 'POST /v1/exports', 'info', '--to', 'b.example'],
  ['service withdraw', 'POST /v1/withdrawn-exports', 'info', '--from', 'b.example'],
  ['service forget', 'POST /v1/forgotten-services', 'db'],
  ['access allow', 'POST /v1/access', '--service', 'info', '--from', 'b.example'],
  ['access deny', 'POST /v1/access', '--service', 'info', '--from', 'b.example'],
  ['access revoke', 'POST /v1/revoked-access', 'rule-1', '--service', 'info'],
  ['access list', 'GET /v1/access'],
  ['access show', 'GET /v1/access/{service}', 'info'],
  ['rotation status', 'GET /v1/rotation'],
  ['history', 'GET /v1/history'],
  ['history', 'GET /v1/history/at', '--at', '2030-01-01T12:00Z'],
  ['history heads', 'GET /v1/history/heads'],
  ['store compact', 'POST /v1/store/compact'],
];

describe('docs/json.md', () => {
  it('has every verb with --output once', () => {
    const verbs = verbsOf(idleProgram()).filter(({ options }) =>
      options.some(({ long }) => long === '--output'),
    );
    const listed = [...documents.keys(), ...own.keys()].filter(
      (verb) => verb !== 'federate history --export',
    );
    expect(listed.toSorted()).toEqual(verbs.map(pathOf).toSorted());
  });

  it('names routes of the contract, and each of them is compared below', () => {
    const named = [...documents.values()].flat().filter((code) => code.includes('/v1/'));
    const compared = CALLS.map(([, route]) => route);
    expect(named.filter((name) => !(name in routes))).toEqual([]);
    // The document of the whole contract has a test of its own; the take of an invitation needs a line.
    const elsewhere = ['GET /v1/openapi.json', 'POST /v1/invitations/take'];
    expect(named.filter((name) => !compared.some((each) => each === name))).toEqual(elsewhere.toReversed());
  });
});

describe('--output', () => {
  const calls = CALLS.map(([verb, route, ...words]) => ({ verb, route, words }));
  it.each(calls)('prints of "federate $verb" the answer of $route', async ({ verb, route, words }) => {
    expect(documents.get(`federate ${verb}`)?.some((each) => each === route)).toBe(true);
    const answer = answerOf(route);
    await using admin = await serveAdmin(
      Object.assign({ 'GET /v1/distrusted': () => [] }, { [route]: () => answer }),
    );
    for (const format of ['json', 'yaml']) {
      const reader = new TestReader({ offsetMinutes: () => 120 });
      await reader.run(...verb.split(' '), ...words, '--output', format, '--socket', admin.path);
      expect(reader.err).toEqual([]);
      const printed = reader.out.join('\n');
      expect(parse(printed)).toEqual(answer);
      // YAML is a superset of JSON, so look at the form too.
      expect(/^[[{]\n/.test(printed)).toBe(format === 'json' && printed !== '[]');
    }
  });

  it.each([
    'check-config',
    'history verify',
    'history --export',
    'store backup',
  ])('prints of "federate %s" the members that docs/json.md lists', async (verb) => {
    using folder = tempDir();
    await (await openTestStore({ path: folder.file('a.db') })).close();
    writeFileSync(folder.file('routes.yaml'), '{}\n');
    writeFileSync(folder.file('gateway.yaml'), 'listen: 127.0.0.1:8443\nroutes_file: routes.yaml\n');
    const words: Readonly<Record<string, readonly string[]>> = {
      'check-config': [folder.file('gateway.yaml'), '--kind', 'gateway'],
      'history verify': [folder.file('a.db')],
      'history --export': [folder.file('export.jsonl'), '--store', folder.file('a.db')],
      'store backup': [folder.file('b.db'), '--store', folder.file('a.db')],
    };
    const reader = new TestReader();
    const code = await reader.run(...verb.split(' '), ...(words[verb] ?? []), '-o', 'json');
    expect([code, reader.err, reader.out[0]]).toEqual([0, [], expect.stringContaining('{')]);
    expect(Object.keys(JSON.parse(reader.out[0] ?? '')).toSorted()).toEqual(
      own.get(`federate ${verb}`)?.toSorted(),
    );
  });
});
