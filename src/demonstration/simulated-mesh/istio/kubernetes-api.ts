import { type Context, Hono } from 'hono';
import type { Clock, Log, Random } from '../../../platform/index.ts';
import { readBoundedBody } from '../bounded-body.ts';
import { type Account, authenticate, authorize, type Verb } from './access.ts';
import { parseConfigMap } from './check-config-map.ts';
import type { ConfigMapStore } from './config-map-store.ts';
import { KubernetesError } from './kubernetes-status.ts';
import { jsonPatch, mergePatch } from './patch.ts';
import { parseSelectors } from './selectors.ts';
import { watchStream } from './watch-stream.ts';

const MAX_BODY_BYTES = 3 * 1024 * 1024;
const MAX_WATCHES = 256;
const SHORTEST_WATCH_MS = 30 * 60_000;

type Env = { Variables: { account: Account } };

/**
 * The part of a Kubernetes API server that an Istio adapter meets: ConfigMaps with list, watch,
 * create, replace, patch and delete, namespaces, bearer tokens with roles, and `Status` objects for
 * every refusal. Watches end when `signal` aborts.
 */
export function kubernetesApi(options: {
  readonly store: ConfigMapStore;
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
  app.use('/api/*', async (context, next) => {
    context.set('account', authenticate(options.accounts, context.req.header('authorization')));
    await next();
    if (context.req.method !== 'GET') await options.written();
  });

  const listOrWatch = (context: Context<Env>, namespace?: string) => {
    const { watch, resourceVersion, allowWatchBookmarks, timeoutSeconds, fieldSelector, labelSelector } =
      context.req.query();
    const selector = parseSelectors({ fieldSelector, labelSelector });
    const name = /^metadata\.name==?([^,]+)$/.exec(fieldSelector ?? '')?.[1];
    const watching = watch === 'true' || watch === '1';
    authorize(context.get('account'), watching ? 'watch' : 'list', { namespace, name });
    if (!watching) {
      return context.json({
        kind: 'ConfigMapList',
        apiVersion: 'v1',
        metadata: { resourceVersion: String(store.version) },
        items: store.list(namespace).filter(selector),
      });
    }
    if (watches >= MAX_WATCHES)
      throw new KubernetesError('TooManyRequests', 'too many watches, please try again later');
    watches += 1;
    const asked = Number(timeoutSeconds ?? 0) * 1000;
    const body = watchStream({
      store,
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

  app.get('/api/v1', (context) =>
    context.json({
      kind: 'APIResourceList',
      groupVersion: 'v1',
      resources: [
        {
          name: 'configmaps',
          singularName: 'configmap',
          namespaced: true,
          kind: 'ConfigMap',
          shortNames: ['cm'],
          verbs: VERBS,
        },
        {
          name: 'namespaces',
          singularName: 'namespace',
          namespaced: false,
          kind: 'Namespace',
          verbs: ['get', 'list'],
        },
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
  app.get('/api/v1/configmaps', (context) => listOrWatch(context));
  app.get(COLLECTION, (context) => listOrWatch(context, context.req.param('namespace')));
  app.post(COLLECTION, async (context) => {
    const namespace = context.req.param('namespace');
    authorize(context.get('account'), 'create', { namespace });
    refuseDryRun(context);
    return context.json(store.create(parseConfigMap(await readJson(context), { namespace })), 201);
  });
  app.get(ITEM, (context) => {
    const target = context.req.param();
    authorize(context.get('account'), 'get', target);
    const object = store.get(target.namespace, target.name);
    if (object) return context.json(object);
    throw new KubernetesError('NotFound', `configmaps ${JSON.stringify(target.name)} not found`);
  });
  app.put(ITEM, async (context) => {
    const target = context.req.param();
    authorize(context.get('account'), 'update', target);
    refuseDryRun(context);
    return context.json(store.update(parseConfigMap(await readJson(context), target)));
  });
  app.patch(ITEM, async (context) => {
    const target = context.req.param();
    authorize(context.get('account'), 'patch', target);
    refuseDryRun(context);
    const patch = await readJson(context);
    const held = store.get(target.namespace, target.name);
    if (!held) throw new KubernetesError('NotFound', `configmaps ${JSON.stringify(target.name)} not found`);
    const patched = applyPatch(context.req.header('content-type'), held, patch);
    return context.json(store.update(parseConfigMap(patched, target)));
  });
  app.delete(ITEM, async (context) => {
    const target = context.req.param();
    authorize(context.get('account'), 'delete', target);
    refuseDryRun(context);
    const { uid } = store.delete(
      target.namespace,
      target.name,
      preconditionsOf(await readJson(context)),
    ).metadata;
    return context.json({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: target.name, kind: 'configmaps', uid },
    });
  });

  app.notFound((context) => {
    const error = new KubernetesError('NotFound', 'the server could not find the requested resource');
    return context.json(error.toStatus(), error.httpStatus);
  });
  app.onError((error, context) => {
    if (error instanceof KubernetesError) {
      return context.json(error.toStatus(context.req.param('name')), error.httpStatus);
    }
    log.error('kubernetes request failed', { path: context.req.path, error });
    const internal = new KubernetesError('InternalError', 'an error on the server has prevented the request');
    return context.json(internal.toStatus(), internal.httpStatus);
  });
  return app;
}

const COLLECTION = '/api/v1/namespaces/:namespace/configmaps';
const ITEM = '/api/v1/namespaces/:namespace/configmaps/:name';
const VERBS: readonly Verb[] = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];

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

/** Pretending to have written would be worse than refusing. */
function refuseDryRun(context: Context<Env>): void {
  if (context.req.query('dryRun') !== undefined)
    throw new KubernetesError('BadRequest', 'dryRun is not simulated');
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
