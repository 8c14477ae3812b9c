import { type Context, Hono } from 'hono';
import { defined } from '../../../objects/index.ts';
import type { Clock, Log, Random } from '../../../platform/index.ts';
import { readBoundedBody } from '../bounded-body.ts';
import { type Account, authenticate, authorize, type Verb } from './access.ts';
import { parseObject } from './check-object.ts';
import { KubernetesError } from './kubernetes-status.ts';
import type { ObjectStore } from './object-store.ts';
import { jsonPatch, mergePatch } from './patch.ts';
import { qualifiedName, RESOURCE_TYPES, type ResourceType } from './resource-types.ts';
import { parseSelectors } from './selectors.ts';
import { watchStream } from './watch-stream.ts';

const MAX_BODY_BYTES = 3 * 1024 * 1024;
const MAX_WATCHES = 256;
const SHORTEST_WATCH_MS = 30 * 60_000;

type Env = { Variables: { account: Account } };

/**
 * The part of a Kubernetes API server that an Istio adapter meets. It has objects with list, watch,
 * create, replace, patch and delete, dry runs and namespaces. It knows bearer tokens with roles,
 * and answers every refusal with a `Status` object. Watches end when `signal` aborts.
 */
export function kubernetesApi(options: {
  readonly store: ObjectStore;
  readonly accounts: readonly Account[];
  /** Resolves once all changes so far are on disk; a write is not answered before. */
  readonly written: () => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Hono<Env> {
  const { store, log } = options;
  let watches = 0;
  const app = new Hono<Env>();

  app.get('/livez', (context) => context.text('ok'));
  app.get('/readyz', (context) => context.text('ok'));
  app.get('/version', (context) =>
    context.json({ major: '1', minor: '34', gitVersion: 'v1.34.0', platform: 'linux/amd64' }),
  );
  for (const paths of ['/api/*', '/apis/*'])
    app.use(paths, async (context, next) => {
      context.set('account', authenticate(options.accounts, context.req.header('authorization')));
      await next();
      if (context.req.method !== 'GET') await options.written();
    });

  const listOrWatch = (context: Context<Env>, resource: ResourceType, namespace?: string) => {
    const { watch, resourceVersion, allowWatchBookmarks, timeoutSeconds, fieldSelector, labelSelector } =
      context.req.query();
    const selector = parseSelectors({ fieldSelector, labelSelector });
    const name = /^metadata\.name==?([^,]+)$/.exec(fieldSelector ?? '')?.[1];
    const watching = watch === 'true' || watch === '1';
    authorize(context.get('account'), watching ? 'watch' : 'list', { resource, namespace, name });
    if (!watching) {
      return context.json({
        kind: `${resource.kind}List`,
        apiVersion: groupVersionOf(resource),
        metadata: { resourceVersion: String(store.version) },
        items: store.list(resource, namespace).filter(selector),
      });
    }
    if (watches >= MAX_WATCHES)
      throw new KubernetesError('TooManyRequests', 'too many watches, please try again later');
    watches += 1;
    const asked = Number(timeoutSeconds ?? 0) * 1000;
    const body = watchStream({
      store,
      resource,
      namespace,
      selector,
      fromVersion: versionOf(resourceVersion),
      bookmarks: allowWatchBookmarks === 'true' || allowWatchBookmarks === '1',
      timeoutMs: asked > 0 ? asked : SHORTEST_WATCH_MS * (1 + options.random.fraction()),
      clock: options.clock,
      signal: options.signal,
      onEnd: () => {
        watches -= 1;
      },
    });
    return context.body(body, 200, {
      'content-type': 'application/json;stream=watch',
      'cache-control': 'no-cache, private',
    });
  };

  for (const groupVersion of new Set(RESOURCE_TYPES.map(groupVersionOf)))
    app.get(apiPath(groupVersion), (context) =>
      context.json({
        kind: 'APIResourceList',
        groupVersion,
        resources: [
          ...RESOURCE_TYPES.filter((each) => groupVersionOf(each) === groupVersion).map(
            ({ plural, kind, shortNames }) => ({
              name: plural,
              singularName: kind.toLowerCase(),
              namespaced: true,
              kind,
              ...defined({ shortNames }),
              verbs: VERBS,
            }),
          ),
          ...(groupVersion === 'v1' ? [NAMESPACES] : []),
        ],
      }),
    );
  app.get('/api/v1/namespaces', (context) =>
    context.json({
      kind: 'NamespaceList',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(store.version) },
      items: store.namespaces().map((name) => namespaceObject(name, store.version)),
    }),
  );
  app.get('/api/v1/namespaces/:namespace', (context) => {
    const name = context.req.param('namespace');
    if (store.namespaces().includes(name)) return context.json(namespaceObject(name, store.version));
    throw new KubernetesError('NotFound', `namespaces ${JSON.stringify(name)} not found`);
  });
  for (const resource of RESOURCE_TYPES) addObjectRoutes(app, resource, store, listOrWatch);

  app.notFound((context) => {
    const error = new KubernetesError('NotFound', 'the server could not find the requested resource');
    return context.json(error.toStatus(), error.httpStatus);
  });
  app.onError((error, context) => {
    if (error instanceof KubernetesError) {
      const [, kind] = /\/namespaces\/[^/]+\/([^/]+)/.exec(context.req.path) ?? [];
      const details = defined({ name: context.req.param('name'), kind });
      return context.json(error.toStatus(details), error.httpStatus);
    }
    log.error('kubernetes request failed', { path: context.req.path, error });
    const internal = new KubernetesError('InternalError', 'an error on the server has prevented the request');
    return context.json(internal.toStatus(), internal.httpStatus);
  });
  return app;
}

const VERBS: readonly Verb[] = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];
const NAMESPACES = {
  name: 'namespaces',
  singularName: 'namespace',
  namespaced: false,
  kind: 'Namespace',
  verbs: ['get', 'list'],
};

function groupVersionOf({ group, version }: ResourceType): string {
  return group === '' ? version : `${group}/${version}`;
}

function apiPath(groupVersion: string): string {
  return groupVersion.includes('/') ? `/apis/${groupVersion}` : `/api/${groupVersion}`;
}

/** The requests about one type of objects. */
function addObjectRoutes(
  app: Hono<Env>,
  resource: ResourceType,
  store: ObjectStore,
  listOrWatch: (context: Context<Env>, resource: ResourceType, namespace?: string) => Response,
): void {
  const api = apiPath(groupVersionOf(resource));
  const collection = `${api}/namespaces/:namespace/${resource.plural}` as const;
  const item = `${collection}/:name` as const;
  const targetOf = (context: Context<Env>) => ({
    resource,
    namespace: context.req.param('namespace') ?? '',
    name: context.req.param('name') ?? '',
  });
  const held = ({ namespace, name }: { readonly namespace: string; readonly name: string }) => {
    const object = store.get(resource, namespace, name);
    if (object) return object;
    throw new KubernetesError('NotFound', `${qualifiedName(resource)} ${JSON.stringify(name)} not found`);
  };
  app.get(`${api}/${resource.plural}`, (context) => listOrWatch(context, resource));
  app.get(collection, (context) => listOrWatch(context, resource, context.req.param('namespace')));
  app.post(collection, async (context) => {
    const { namespace } = targetOf(context);
    authorize(context.get('account'), 'create', { resource, namespace });
    const input = parseObject(resource, await readJson(context), { namespace });
    return context.json(store.create(resource, input, isDryRun(context)), 201);
  });
  app.get(item, (context) => {
    const target = targetOf(context);
    authorize(context.get('account'), 'get', target);
    return context.json(held(target));
  });
  app.put(item, async (context) => {
    const target = targetOf(context);
    authorize(context.get('account'), 'update', target);
    const input = parseObject(resource, await readJson(context), target);
    return context.json(store.update(resource, input, isDryRun(context)));
  });
  app.patch(item, async (context) => {
    const target = targetOf(context);
    authorize(context.get('account'), 'patch', target);
    const patch = await readJson(context);
    const patched = applyPatch(context.req.header('content-type'), held(target), patch);
    return context.json(store.update(resource, parseObject(resource, patched, target), isDryRun(context)));
  });
  app.delete(item, async (context) => {
    const target = targetOf(context);
    authorize(context.get('account'), 'delete', target);
    if (isDryRun(context)) return context.json(held(target));
    const { uid } = store.delete(resource, target, preconditionsOf(await readJson(context))).metadata;
    return context.json({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: target.name, kind: resource.plural, uid },
    });
  });
}

function namespaceObject(name: string, version: number) {
  return {
    kind: 'Namespace',
    apiVersion: 'v1',
    metadata: {
      name,
      resourceVersion: String(version),
      labels: { 'kubernetes.io/metadata.name': name },
    },
    status: { phase: 'Active' },
  };
}

function versionOf(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new KubernetesError('BadRequest', `invalid resource version ${JSON.stringify(text)}`);
}

/** Throws `KubernetesError` `BadRequest` for a dry run of another form than `All`. */
function isDryRun(context: Context<Env>): boolean {
  const dryRun = context.req.query('dryRun');
  if (dryRun === undefined || dryRun === 'All') return dryRun === 'All';
  throw new KubernetesError(
    'BadRequest',
    `invalid value ${JSON.stringify(dryRun)} of dryRun: it must be All`,
  );
}

async function readJson(context: Context<Env>): Promise<unknown> {
  const text = await readBoundedBody(context, MAX_BODY_BYTES);
  if (text === undefined) {
    throw new KubernetesError(
      'RequestEntityTooLarge',
      `Request entity too large: limit is ${MAX_BODY_BYTES}`,
    );
  }
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new KubernetesError('BadRequest', 'the body is not JSON', { cause: error });
  }
}

function applyPatch(contentType: string | undefined, held: unknown, patch: unknown): unknown {
  switch (contentType?.split(';')[0]?.trim()) {
    case 'application/merge-patch+json':
    case 'application/strategic-merge-patch+json':
      return mergePatch(held, patch);
    case 'application/json-patch+json':
      return jsonPatch(held, patch);
    default:
      throw new KubernetesError(
        'UnsupportedMediaType',
        'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json',
      );
  }
}

function preconditionsOf(options: unknown): { uid?: string; resourceVersion?: string } {
  const { preconditions } = Object(options) as { preconditions?: unknown };
  const { uid, resourceVersion } = Object(preconditions) as { uid?: unknown; resourceVersion?: unknown };
  return {
    ...(typeof uid === 'string' && { uid }),
    ...(typeof resourceVersion === 'string' && { resourceVersion }),
  };
}
