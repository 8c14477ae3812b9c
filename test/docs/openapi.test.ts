import { type SpecData, Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { openApiDocument, routes } from '../../src/admin/index.ts';
import { main } from '../../src/cli/main.ts';

const text = `${JSON.stringify(openApiDocument(), undefined, 2)}\n`;

describe('the OpenAPI document of the admin API', () => {
  it('is a valid OpenAPI 3.1 document', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(text) as SpecData);
    expect([errors ?? [], valid]).toEqual([[], true]);
    expect(validator.version).toBe('3.1');
  });

  it('is the committed one: "npm run docs" accepts a change of the contract', async () => {
    await expect(text).toMatchFileSnapshot('../../fixtures/admin/openapi.json');
  });

  it('has each route with its role, its answer, its errors and a description of each named schema', () => {
    const { paths, components } = JSON.parse(text) as {
      paths: Record<string, Record<string, { responses: object; [role: string]: unknown }>>;
      components: { schemas: Record<string, { description?: string }> };
    };
    for (const [name, { role, status = 200 }] of Object.entries<{ role: string; status?: number }>(routes)) {
      const [method = '', path = ''] = name.split(' ');
      const operation = paths[path]?.[method.toLowerCase()];
      expect(operation).toMatchObject({ 'x-required-role': role });
      expect(Object.keys(operation?.responses ?? {})).toEqual(
        expect.arrayContaining([String(status), '409', '500']),
      );
    }
    for (const [name, { description }] of Object.entries(components.schemas))
      expect([name, description]).toEqual([name, expect.stringMatching(/.{10}/)]);
  });

  it('is what "federate admin openapi" prints', async () => {
    const out: string[] = [];
    const terminal = { out: (line: string) => out.push(line), err: (line: string) => out.push(line) };
    expect(await main(['admin', 'openapi'], terminal)).toBe(0);
    expect(`${out.join('\n')}\n`).toBe(text);
  });
});
