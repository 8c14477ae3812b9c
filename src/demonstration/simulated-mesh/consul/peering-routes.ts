import type { Context, Hono } from 'hono';
import { SimulatedMeshError } from '../errors.ts';
import type { ConsulState, Peering } from './consul-state.ts';
import { exportedServices } from './peer-resources.ts';
import type { Peerings } from './peerings.ts';
import { answerTable, type ConsulRequest, jsonObject, requireToken } from './consul-request.ts';

const REFUSALS = {
  invalid: {
    status: 400,
    text: 'Invalid peering request: the name is taken by the other role, not a lower-case DNS label, or the token is our own',
  },
  'being-deleted': { status: 500, text: 'cannot write to a peering that is marked for deletion' },
  'unknown-peering': { status: 404, text: 'Peering not found' },
  'wrong-secret': { status: 403, text: 'Permission denied' },
} as const;

/** `/v1/peering…` and `/v1/peerings` (ACL `peering:read` and `peering:write`). */
export function addPeeringRoutes(
  app: Hono,
  request: ConsulRequest,
  { state, peerings }: { readonly state: ConsulState; readonly peerings: Peerings },
): void {
  app.post('/v1/peering/token', async (context) => {
    requireToken(context, request, 'peering:write');
    const body = await jsonObject(context);
    const answer = peerings.generateToken({
      name: textOf(body['PeerName']),
      meta: metaOf(body['Meta']),
      externalAddresses: Array.isArray(body['ServerExternalAddresses'])
        ? body['ServerExternalAddresses'].filter((each: unknown) => typeof each === 'string')
        : [],
    });
    if (typeof answer === 'string') return context.text(REFUSALS[answer].text, REFUSALS[answer].status);
    await request.written();
    return context.json({ PeeringToken: answer.token });
  });
  app.post('/v1/peering/establish', async (context) => {
    requireToken(context, request, 'peering:write');
    const body = await jsonObject(context);
    try {
      const answer = peerings.establish({
        name: textOf(body['PeerName']),
        token: textOf(body['PeeringToken']),
        meta: metaOf(body['Meta']),
      });
      if (answer !== undefined) return context.text(REFUSALS[answer].text, REFUSALS[answer].status);
    } catch (error) {
      if (error instanceof SimulatedMeshError) return context.text(error.message, 400);
      throw error;
    }
    await request.written();
    return context.json({});
  });
  app.get('/v1/peerings', (context) => {
    requireToken(context, request, 'peering:read');
    return answerTable(context, request, state, 'peerings', () =>
      state.peerings().map((peering) => peeringDocument(peering, { state, peerings })),
    );
  });
  app.get('/v1/peering/:name', (context) => {
    requireToken(context, request, 'peering:read');
    const name = context.req.param('name');
    return answerTable(context, request, state, 'peerings', () => {
      const peering = state.peering(name);
      return peering ? peeringDocument(peering, { state, peerings }) : notFound(context, name);
    });
  });
  app.delete('/v1/peering/:name', async (context) => {
    requireToken(context, request, 'peering:write');
    peerings.delete(context.req.param('name'));
    await request.written();
    return context.body(null, 200);
  });
}

function notFound(context: Context, name: string): Response {
  return context.text(`Peering not found for ${JSON.stringify(name)}`, 404);
}

/** A peering as the API shows it: its secrets stay out. */
function peeringDocument(
  peering: Peering,
  { state, peerings }: { readonly state: ConsulState; readonly peerings: Peerings },
) {
  const session = peerings.sessionOf(peering.name);
  return {
    ID: peering.id,
    Name: peering.name,
    Meta: peering.meta,
    State: peering.state,
    ...(peering.state === 'DELETING' && { DeletedAt: '0001-01-01T00:00:01Z' }),
    ...(peering.dial && {
      PeerID: peering.remoteId ?? '',
      PeerCAPems: peering.dial.caPems,
      PeerServerName: peering.dial.serverName,
      PeerServerAddresses: peering.dial.addresses,
    }),
    StreamStatus: {
      ImportedServices: [],
      ExportedServices: exportedServices(state, peering.name),
      LastHeartbeat: null,
      LastReceive: session?.lastReceiveAt.toISOString() ?? null,
      LastSend: null,
    },
    CreateIndex: peering.createIndex,
    ModifyIndex: peering.modifyIndex,
    Remote: {
      Partition: peering.remote?.partition ?? '',
      Datacenter: peering.remote?.datacenter ?? '',
    },
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function metaOf(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Object(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
