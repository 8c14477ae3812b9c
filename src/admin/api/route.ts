import type { z } from 'zod';

/**
 * Who may ask: a viewer only reads, an operator decides about trust, an admin sets up and ends
 * relationships.
 */
export type Role = 'viewer' | 'operator' | 'admin';

/**
 * One question or order of the admin API. Its method and path are the key that it stands under,
 * such as `GET /v1/status`.
 */
export interface Route {
  readonly summary: string;
  /**
   * The role that the caller needs. The Unix socket gives all of them to each caller that can open
   * it.
   */
  readonly role: Role;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
  /** 201 where something was made. */
  readonly status?: 201;
  /** The error codes that an operator meets here; those of the store can come from each route. */
  readonly errors: readonly string[];
}

export type RouteKey = `${'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} /v1/${string}`;
export type Routes = Readonly<Record<RouteKey, Route>>;

/** A document as its schema has it. No part of it is written to. */
export type Document<Schema extends z.ZodType> = DeepReadonly<z.output<Schema>>;

/** A request as a caller writes it. */
export type RequestDocument<Schema extends z.ZodType> = DeepReadonly<z.input<Schema>>;

type DeepReadonly<Value> = Value extends Date
  ? Value
  : Value extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : Value extends object
      ? { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> }
      : Value;

/** The error codes that answer 404: what they are about is not there. */
export const NOT_FOUND_CODES: ReadonlySet<string> = new Set([
  'not-federated',
  'no-bundle',
  'no-such-version',
  'no-such-invitation',
  'no-unrecorded-trust',
  'not-imported',
  'service-unknown',
  'not-exported',
  'rule-unknown',
]);

/** The error codes that answer 400: the request itself is wrong. */
export const BAD_REQUEST_CODES: ReadonlySet<string> = new Set(['request-invalid', 'event-kind-unknown']);
