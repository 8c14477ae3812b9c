import { z } from 'zod';
import { defined } from '../objects/index.ts';
import { problem } from './api/fields.ts';
import { BAD_REQUEST_CODES, NOT_FOUND_CODES, type Route } from './api/route.ts';
import { type Answer, routes } from './api/routes.ts';

type Json = Record<string, unknown>;

/**
 * The admin API as an OpenAPI 3.1 document. zod writes JSON Schema of the very dialect that OpenAPI
 * 3.1 takes.
 */
export function openApiDocument(): Answer<'GET /v1/openapi.json'> {
  const schemas: Record<string, Json> = {};
  const paths: Record<string, Json> = {};
  for (const [name, route] of Object.entries<Route>(routes)) {
    const [method = '', path = ''] = name.split(' ');
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(path, route, schemas) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Admin API of a Federate agent',
      version: '1',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'Served as HTTP on a Unix socket that only the user of the agent and root can open. Answers may gain members; requests with unknown members are refused.',
    },
    servers: [{ url: 'http://localhost', description: "The agent's admin socket." }],
    // The permissions of the socket are the access control.
    security: [],
    paths,
    components: { schemas },
  };
}

function operationOf(path: string, route: Route, schemas: Record<string, Json>): Json {
  const { summary, role, query, body, answer, status = 200, errors } = route;
  return {
    summary,
    'x-required-role': role,
    parameters: [...pathParameters(path), ...queryParameters(query, schemas)],
    ...(body && { requestBody: { required: true, content: jsonOf(schemaOf(body, schemas)) } }),
    responses: {
      [status]: { description: 'Done.', content: jsonOf(schemaOf(answer, schemas)) },
      ...problemsOf(route, errors, schemas),
    },
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', minLength: 1 },
    ...(name === 'trust_domain' ? { example: 'b.example' } : {}),
  }));
}

function queryParameters(query: z.ZodObject | undefined, schemas: Record<string, Json>): Json[] {
  return Object.entries<z.ZodType>(query?.shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = schemaOf(field, schemas);
    return {
      name,
      in: 'query',
      required: !field.safeParse(undefined).success,
      ...defined({ description }),
      schema,
    };
  });
}

/** The error answers of a route by their status, with the codes that are met there. */
function problemsOf({ query, body }: Route, errors: readonly string[], schemas: Record<string, Json>): Json {
  const content = jsonOf(schemaOf(problem, schemas));
  const invalid = query || body ? ['request-invalid'] : [];
  const bad = [...invalid, ...errors.filter((code) => BAD_REQUEST_CODES.has(code))];
  const missing = errors.filter((code) => NOT_FOUND_CODES.has(code));
  const refused = errors.filter((code) => !BAD_REQUEST_CODES.has(code) && !NOT_FOUND_CODES.has(code));
  const found = (description: string, codes: readonly string[] = []) => ({
    description,
    content,
    ...(codes.length === 0 ? {} : { 'x-codes': codes }),
  });
  return {
    ...(bad.length === 0 ? {} : { 400: found('The request is wrong.', bad) }),
    ...(missing.length === 0 ? {} : { 404: found('What the request names is not there.', missing) }),
    409: found('The agent refuses it, the name is malformed, or the store cannot be used.', refused),
    ...(body ? { 413: found('The request is too large.', ['request-too-large']) } : {}),
    500: found('The agent failed in a way that it did not expect.', ['internal']),
  };
}

function jsonOf(schema: Json): Json {
  return { 'application/json': { schema } };
}

/**
 * A schema as callers write or read it; the named ones in it go to `schemas`. Throws where two
 * different ones have one name.
 */
function schemaOf(type: z.ZodType, schemas: Record<string, Json>): Json {
  // `input`: an answer may gain members, so it is not closed.
  const whole = z.toJSONSchema(type, { io: 'input' });
  const text = JSON.stringify(whole).replaceAll('"#/$defs/', '"#/components/schemas/');
  const {
    $schema: _,
    $defs = {},
    ...schema
  } = z.looseObject({ $defs: z.record(z.string(), z.looseObject({})).optional() }).parse(JSON.parse(text));
  const { id, ...own } = schema;
  const named = typeof id === 'string' ? { ...$defs, [id]: own } : $defs;
  for (const [name, { id: __, ...each }] of Object.entries<Json>(named)) {
    const known = schemas[name];
    if (known && JSON.stringify(known) !== JSON.stringify(each))
      throw new Error(`two schemas of the admin API have the name ${name}`);
    schemas[name] = each;
  }
  return typeof id === 'string' ? { $ref: `#/components/schemas/${id}` } : schema;
}
