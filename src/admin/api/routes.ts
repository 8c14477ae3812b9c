import type { z } from 'zod';
import { accessRoutes } from './access.ts';
import { bundleRoutes } from './bundles.ts';
import { distrustedRoutes } from './distrusted.ts';
import { exportRoutes } from './exports.ts';
import { historyRoutes } from './history.ts';
import { importRoutes } from './imports.ts';
import { invitationRoutes } from './invitations.ts';
import { offerRoutes } from './offers.ts';
import { openapiRoutes } from './openapi.ts';
import { refreshRoutes } from './refresh.ts';
import { relationshipRoutes } from './relationships.ts';
import { rotationRoutes } from './rotation.ts';
import type { Document, RequestDocument, Route } from './route.ts';
import { signedBundleRoutes } from './signed-bundle.ts';
import { statusRoutes } from './status.ts';
import { storeRoutes } from './store.ts';
import { unrecordedTrustRoutes } from './unrecorded-trust.ts';
import { verifyRoutes } from './verify.ts';

/**
 * The whole admin API. The server, the client, the types of both and the OpenAPI document derive
 * from it.
 */
export const routes = {
  ...statusRoutes,
  ...relationshipRoutes,
  ...refreshRoutes,
  ...bundleRoutes,
  ...offerRoutes,
  ...distrustedRoutes,
  ...invitationRoutes,
  ...importRoutes,
  ...exportRoutes,
  ...accessRoutes,
  ...rotationRoutes,
  ...signedBundleRoutes,
  ...unrecordedTrustRoutes,
  ...verifyRoutes,
  ...historyRoutes,
  ...storeRoutes,
  ...openapiRoutes,
};

export type RouteName = keyof typeof routes;
type Of<Name extends RouteName> = (typeof routes)[Name] & Route;

type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never;
type Params<Name extends RouteName> = { readonly [Param in ParamNames<Name>]: string };
type QueryOf<Name extends RouteName> = (typeof routes)[Name] extends {
  readonly query: infer Query extends z.ZodType;
}
  ? Query
  : undefined;
type BodyOf<Name extends RouteName> = (typeof routes)[Name] extends {
  readonly body: infer Body extends z.ZodType;
}
  ? Body
  : undefined;

/** What a route answers. */
export type Answer<Name extends RouteName> = Document<Of<Name>['answer']>;

/**
 * What a caller gives: the names in the path, the query and the body, each where the route has it.
 */
export type CallInput<Name extends RouteName> = ([ParamNames<Name>] extends [never]
  ? unknown
  : { readonly params: Params<Name> }) &
  (QueryOf<Name> extends z.ZodType
    ? {} extends RequestDocument<QueryOf<Name>>
      ? { readonly query?: RequestDocument<QueryOf<Name>> }
      : { readonly query: RequestDocument<QueryOf<Name>> }
    : unknown) &
  (BodyOf<Name> extends z.ZodType ? { readonly body: RequestDocument<BodyOf<Name>> } : unknown);

/** What the code behind a route gets, checked by the schemas of the route. */
export interface Request<Name extends RouteName> {
  readonly params: Params<Name>;
  readonly query: QueryOf<Name> extends z.ZodType ? Document<QueryOf<Name>> : undefined;
  readonly body: BodyOf<Name> extends z.ZodType ? Document<BodyOf<Name>> : undefined;
  /** Who asks, for the record. */
  readonly actor: string;
}

/** The code behind some routes. */
export type HandlersOf<Names extends RouteName> = {
  readonly [Name in Names]: (request: Request<Name>) => Answer<Name> | Promise<Answer<Name>>;
};

/**
 * The code behind every route that the agent answers. The server answers for the OpenAPI document
 * itself.
 */
export type AdminHandlers = HandlersOf<Exclude<RouteName, keyof typeof openapiRoutes>>;
