import type { Context, Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { refusalOfEntry } from './check-config-entry.ts';
import { answerTable, type ConsulRequest, jsonObject, requireToken } from './consul-request.ts';
import type { ConfigEntry, ConsulState } from './consul-state.ts';
import type { Peerings } from './peerings.ts';

const KINDS: ReadonlySet<string> = new Set([
  'exported-services',
  'service-intentions',
  'proxy-defaults',
  'service-defaults',
]);

/**
 * `/v1/config`: config entries of the kinds that cross-mesh traffic needs, with compare-and-set.
 */
export function addConfigRoutes(
  app: Hono,
  request: ConsulRequest,
  {
    state,
    peerings,
    onChange,
  }: { readonly state: ConsulState; readonly peerings: Peerings; readonly onChange: () => void },
): void {
  app.put('/v1/config', async (context) => {
    requireToken(context, request, 'operator:write');
    const body = await jsonObject(context);
    const { Kind: kind, Name: name } = body;
    if (typeof kind !== 'string' || !KINDS.has(kind)) {
      return context.text(`invalid config entry kind: ${JSON.stringify(kind)}`, 400);
    }
    if (typeof name !== 'string' || name === '') return context.text('Must provide a Name', 400);
    const refusal = refusalOfEntry(kind, name, body);
    if (refusal !== undefined) return context.text(refusal, 400);
    const done = state.putConfigEntry({ kind, name, body }, casOf(context));
    peerings.exportsChanged();
    onChange();
    await request.written();
    return context.json(done);
  });
  app.get('/v1/config/:kind', (context) => {
    requireToken(context, request, 'operator:read');
    const kind = kindOf(context);
    return answerTable(context, request, state, 'config', () => state.configEntries(kind).map(entryDocument));
  });
  app.get('/v1/config/:kind/:name', (context) => {
    requireToken(context, request, 'operator:read');
    const kind = kindOf(context);
    const name = context.req.param('name');
    return answerTable(context, request, state, 'config', () => {
      const entry = state.configEntry(kind, name);
      return entry
        ? entryDocument(entry)
        : context.text(`Config entry not found for ${JSON.stringify(kind)} / ${JSON.stringify(name)}`, 404);
    });
  });
  app.delete('/v1/config/:kind/:name', async (context) => {
    requireToken(context, request, 'operator:write');
    const cas = casOf(context);
    const done = state.deleteConfigEntry(kindOf(context), context.req.param('name'), cas);
    peerings.exportsChanged();
    onChange();
    await request.written();
    return context.json(cas === undefined ? {} : done);
  });
}

function kindOf(context: Context): string {
  const kind = context.req.param('kind') ?? '';
  if (KINDS.has(kind)) return kind;
  throw new HTTPException(400, { message: `invalid config entry kind: ${JSON.stringify(kind)}` });
}

function casOf(context: Context): number | undefined {
  const cas = context.req.query('cas');
  if (cas === undefined) return undefined;
  if (/^\d{1,15}$/.test(cas)) return Number(cas);
  throw new HTTPException(400, { message: `invalid cas value ${JSON.stringify(cas)}` });
}

function entryDocument(entry: ConfigEntry) {
  return { ...entry.body, CreateIndex: entry.createIndex, ModifyIndex: entry.modifyIndex };
}
