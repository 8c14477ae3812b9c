import { writeFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { withAbsolutePaths } from '../../src/config/absolute-paths.ts';
import { agentConfigSchema, type ConfigKind, configSchemas, readConfig } from '../../src/config/index.ts';
import { isPathField, path } from '../../src/config/fields.ts';
import { bared, variantsOf } from '../../src/config/schema-walk.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const KINDS = Object.keys(configSchemas) as ConfigKind[];

/** Names every field of a schema, in all variants, and whether it is a path. */
function* fieldsOf(
  schema: z.core.$ZodType,
  at = '',
): Generator<{ readonly at: string; readonly path: boolean }> {
  const variants = variantsOf(schema);
  for (const variant of variants) yield* fieldsOf(variant, at);
  if (variants.length > 0) return;
  const plain = bared(schema);
  if (plain instanceof z.core.$ZodArray) yield* fieldsOf(plain._zod.def.element, `${at}[]`);
  else if (plain instanceof z.core.$ZodObject) {
    for (const [key, field] of Object.entries(plain._zod.def.shape))
      yield* fieldsOf(field, at === '' ? key : `${at}.${key}`);
  } else yield { at, path: isPathField(plain) };
}

/** Makes a value with `x/y` in every place of a schema where a path can be. */
function allPaths(schema: z.core.$ZodType): unknown {
  const variants = variantsOf(schema);
  if (variants.length > 0) return Object.assign({}, ...variants.map(allPaths));
  const plain = bared(schema);
  if (plain instanceof z.core.$ZodArray) return [allPaths(plain._zod.def.element)];
  if (plain instanceof z.core.$ZodObject)
    return Object.fromEntries(
      Object.entries(plain._zod.def.shape).map(([key, field]) => [key, allPaths(field)]),
    );
  return isPathField(plain) ? 'x/y' : undefined;
}

describe('withAbsolutePaths()', () => {
  it.each(KINDS)('makes every path of the config of %s absolute', (kind) => {
    const value = allPaths(configSchemas[kind]);
    const expected: unknown = JSON.parse(JSON.stringify(value).replaceAll('"x/y"', '"/etc/federate/x/y"'));
    const found = withAbsolutePaths(configSchemas[kind], value, '/etc/federate');
    expect(JSON.parse(JSON.stringify(found))).toEqual(expected);
  });

  it.each(KINDS)('finds each key of %s to be a path in all variants or in none', (kind) => {
    const fields = [...fieldsOf(configSchemas[kind])];
    const paths = new Set(fields.filter(({ path: isPath }) => isPath).map(({ at }) => at));
    expect(fields.filter(({ at, path: isPath }) => paths.has(at) && !isPath)).toEqual([]);
  });

  it.each(KINDS)('finds a path in each key of %s that is named as one', (kind) => {
    const named = /(_files?(\[\])?|_socket|_folder|kubeconfig|\bstore|\bsocket|\bfolder)$/;
    const fields = [...fieldsOf(configSchemas[kind])];
    expect(fields.filter(({ at, path: isPath }) => named.test(at) && !isPath)).toEqual([]);
  });

  it('leaves alone what is absolute, empty, unknown or of another type', () => {
    const schema = z.strictObject({
      file: path().optional(),
      files: z.array(path()).optional(),
      url: z.string(),
    });
    for (const value of [
      { file: '/a/b', url: 'c' },
      { file: '', files: '' },
      { file: 7, files: { a: 'b' } },
      { other: 'a', files: [7, '', null] },
      'a',
      ['a'],
      null,
    ])
      expect(withAbsolutePaths(schema, value, '/etc')).toEqual(value);
  });

  it('keeps the order of keys and a key named as a part of every object', () => {
    const value: unknown = JSON.parse('{"z": "1", "__proto__": "2", "file": "3", "toString": "4"}');
    const found = withAbsolutePaths(z.strictObject({ file: path() }), value, '/etc');
    expect(Object.entries(Object(found))).toEqual([
      ['z', '1'],
      ['__proto__', '2'],
      ['file', '/etc/3'],
      ['toString', '4'],
    ]);
  });
});

describe('readConfig()', () => {
  it('starts relative paths at the folder of the file, not where the process runs', () => {
    using folder = tempDir();
    const file = folder.file('agent.yaml');
    writeFileSync(
      file,
      stringify({
        ...plainAgentConfig(),
        trust_domain: 'a.example',
        identity: { workload_api: 'unix:///run/spire/agent.sock' },
        mesh: { kind: 'files', own_pem_files: ['a.pem', '/b.pem', '../c.pem'], foreign_folder: 'foreign' },
      }),
    );
    const { config, file: read } = readConfig(file, agentConfigSchema);
    expect(isAbsolute(read)).toBe(true);
    expect(config.store).toBe(folder.file('federate.db'));
    expect(config.admin_socket).toBe('/run/federate/admin.sock');
    expect(config.identity).toMatchObject({ workload_api: { uri: 'unix:///run/spire/agent.sock' } });
    expect(config.mesh).toMatchObject({
      own_pem_files: [folder.file('a.pem'), '/b.pem', folder.file('x').replace(/[^/]+\/x$/, 'c.pem')],
      foreign_folder: folder.file('foreign'),
    });
  });
});
