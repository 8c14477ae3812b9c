import { z } from 'zod';
import { closest, didYouMean } from '../platform/index.ts';
import { keysOf, literalOf, schemaAt, variantsOf } from './schema-walk.ts';

/** A mistake with its path in parts, so that its line can be looked up. */
export interface FieldMistake {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * Describes what a schema finds wrong with a value, every branch of it at once. Where a
 * discriminator is wrong, the section is judged by the variant that was probably meant, so that its
 * other mistakes are found too. Of several findings about one field the first stays.
 */
export function mistakesOf(schema: z.ZodType, value: unknown): readonly FieldMistake[] {
  const result = schema.safeParse(value);
  if (result.success) return [];
  const all = result.error.issues.flatMap((issue) => mistakesIn(issue, { schema, value }));
  const seen = new Set<string>();
  return all.filter(({ path }) => {
    const key = JSON.stringify(path);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

interface Root {
  readonly schema: z.ZodType;
  readonly value: unknown;
}

function mistakesIn(issue: z.core.$ZodIssue, root: Root): FieldMistake[] {
  const { path } = issue;
  switch (issue.code) {
    case 'invalid_union':
      return 'discriminator' in issue && issue.discriminator !== undefined
        ? wrongVariant(path, issue.discriminator, root)
        : noVariant(issue, root);
    case 'unrecognized_keys': {
      const known = keysOf(schemaAt(root.schema, path, root.value));
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `this key does not exist${didYouMean(key, known)}`,
      }));
    }
    default:
      return [{ path, message: messageOf(issue, valueAt(root.value, path)) }];
  }
}

/** The field that selects the variant is missing or names none of them. */
function wrongVariant(path: readonly PropertyKey[], discriminator: string, root: Root): FieldMistake[] {
  const section = path.slice(0, -1);
  const value = valueAt(root.value, section);
  const named = Object(value)[discriminator];
  const variants = variantsAt(section, root).flatMap((variant) => {
    const name = literalOf(variant, discriminator);
    return name === undefined ? [] : [{ name, variant }];
  });
  const names = variants.map(({ name }) => name);
  const message =
    named === undefined
      ? `is missing: one of ${names.join(', ')}`
      : `is one of ${names.join(', ')}, not ${shown(named)}${typeof named === 'string' ? didYouMean(named, names) : ''}`;
  const meant =
    typeof named === 'string'
      ? variants.find(({ name }) => name === closest(named, names))
      : byKeys(variants, Object.keys(Object(value)));
  const others = meant
    ? mistakesOf(meant.variant as z.ZodType, { ...Object(value), [discriminator]: meant.name })
    : [];
  return [{ path, message }, ...others.map((each) => ({ ...each, path: [...section, ...each.path] }))];
}

/** The one variant that knows all of the keys, where exactly one does. */
function byKeys<Variant extends { readonly variant: z.core.$ZodType }>(
  variants: readonly Variant[],
  keys: readonly string[],
): Variant | undefined {
  if (keys.length === 0) return undefined;
  const fitting = variants.filter(({ variant }) => {
    const known = keysOf(schemaAt(variant, [], {}));
    return keys.every((key) => known.includes(key));
  });
  return fitting.length === 1 ? fitting[0] : undefined;
}

/**
 * No variant fits: the mistakes of the variant that knows most of the keys, or the union's own
 * message.
 */
function noVariant(issue: z.core.$ZodIssue & { readonly code: 'invalid_union' }, root: Root): FieldMistake[] {
  const unknown = issue.errors.map((errors) =>
    errors.reduce((count, each) => count + (each.code === 'unrecognized_keys' ? each.keys.length : 0), 0),
  );
  const fewest = Math.min(...unknown);
  const index = unknown.indexOf(fewest);
  const keys = Object.keys(Object(valueAt(root.value, issue.path)));
  const isClear = unknown.indexOf(fewest, index + 1) === -1 && fewest < keys.length;
  const variant = variantsAt(issue.path, root)[index];
  if (!isClear || !variant) return [{ path: issue.path, message: issue.message }];
  const section = valueAt(root.value, issue.path);
  return mistakesOf(variant as z.ZodType, section).map((each) => ({
    ...each,
    path: [...issue.path, ...each.path],
  }));
}

function variantsAt(path: readonly PropertyKey[], { schema, value }: Root): readonly z.core.$ZodType[] {
  const last = path.at(-1);
  if (last === undefined) return variantsOf(schema);
  const parent = schemaAt(schema, path.slice(0, -1), value);
  if (parent instanceof z.core.$ZodObject) return variantsOf(parent._zod.def.shape[String(last)]);
  return parent instanceof z.core.$ZodArray ? variantsOf(parent._zod.def.element) : [];
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a section with keys',
  array: 'a list',
};

function messageOf(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      if (value === undefined) return 'is missing';
      return `must be ${TYPES[issue.expected] ?? `a ${issue.expected}`}, not ${shown(value)}`;
    case 'invalid_value': {
      const values = issue.values.map(String);
      const list = values.length === 1 ? `is ${values.join()}` : `is one of ${values.join(', ')}`;
      if (value === undefined) return `is missing: ${list.slice(3)}`;
      return `${list}, not ${shown(value)}${typeof value === 'string' ? didYouMean(value, values) : ''}`;
    }
    case 'too_small':
      return sizeText(issue.origin, 'at least', Number(issue.minimum), value);
    case 'too_big':
      return sizeText(issue.origin, 'at most', Number(issue.maximum), value);
    case 'invalid_format':
      if (issue.format === 'url') return `is a URL such as "https://host.example:8443", not ${shown(value)}`;
      if (issue.format === 'uuid')
        return `is a UUID such as "11111111-2222-3333-4444-555555555555", not ${shown(value)}`;
      // The rules of our own fields describe what they accept.
      return `${issue.message}; it is ${shown(value)}`;
    default:
      return issue.message;
  }
}

function sizeText(origin: string, bound: string, limit: number, value: unknown): string {
  if (origin === 'string') return limit === 1 ? 'is not empty' : `has ${bound} ${limit} characters`;
  if (origin === 'array') return `has ${bound} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `is ${bound} ${limit}, not ${shown(value)}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((found, part) => Object(found)[part], value);
}

/** A value as it is shown: short, and of a section or list only that it is one. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a section with keys';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}
