import { z } from 'zod';

/**
 * The part of a schema that a path leads to; undefined where it leads nowhere. `value` chooses
 * between the variants of a union.
 */
export function schemaAt(
  schema: z.core.$ZodType,
  path: readonly PropertyKey[],
  value: unknown,
): z.core.$ZodType | undefined {
  const [first, ...rest] = path;
  const plain = unwrapped(schema, value);
  if (first === undefined) return plain;
  if (!plain) return undefined;
  const below = Object(value)[first];
  if (plain instanceof z.core.$ZodObject) {
    const member = plain._zod.def.shape[String(first)];
    return member && schemaAt(member, rest, below);
  }
  if (plain instanceof z.core.$ZodArray) return schemaAt(plain._zod.def.element, rest, below);
  return undefined;
}

/** The keys that an object at this place may have; none where it is not an object. */
export function keysOf(schema: z.core.$ZodType | undefined): readonly string[] {
  return schema instanceof z.core.$ZodObject ? Object.keys(schema._zod.def.shape) : [];
}

/** The variants of a union at this place; empty where it is not one. */
export function variantsOf(schema: z.core.$ZodType | undefined): readonly z.core.$ZodType[] {
  const bare = schema && bared(schema);
  return bare instanceof z.core.$ZodUnion ? bare._zod.def.options : [];
}

/** The one value of the field that selects a variant. */
export function literalOf(variant: z.core.$ZodType, discriminator: string): string | undefined {
  const bare = bared(variant);
  if (!(bare instanceof z.core.$ZodObject)) return undefined;
  const field = bare._zod.def.shape[discriminator];
  const plain = field && bared(field);
  const [only] = plain instanceof z.core.$ZodLiteral ? plain._zod.def.values : [];
  return typeof only === 'string' ? only : undefined;
}

/**
 * Without default, optional and transformation, and of a union the variant that the value means.
 */
function unwrapped(schema: z.core.$ZodType, value: unknown): z.core.$ZodType | undefined {
  const bare = bared(schema);
  if (!(bare instanceof z.core.$ZodUnion)) return bare;
  const variant = meantVariant(bare, value);
  return variant && unwrapped(variant, value);
}

/** Without default, optional and transformation. */
export function bared(schema: z.core.$ZodType): z.core.$ZodType {
  if (
    schema instanceof z.core.$ZodOptional ||
    schema instanceof z.core.$ZodDefault ||
    schema instanceof z.core.$ZodPrefault ||
    schema instanceof z.core.$ZodNullable
  )
    return bared(schema._zod.def.innerType);
  return schema instanceof z.core.$ZodPipe ? bared(schema._zod.def.in) : schema;
}

/** By its discriminator, otherwise the variant that knows most of the keys. */
function meantVariant(union: z.core.$ZodUnion, value: unknown): z.core.$ZodType | undefined {
  const keys = Object.keys(Object(value));
  const scored = union._zod.def.options.map((variant) => {
    const bare = bared(variant);
    const { discriminator } = union._zod.def as { discriminator?: string };
    const isNamed =
      discriminator !== undefined && literalOf(variant, discriminator) === Object(value)[discriminator];
    const known = keys.filter((key) => keysOf(bare).includes(key)).length;
    return { variant, score: isNamed ? Number.POSITIVE_INFINITY : known };
  });
  return scored.toSorted((a, b) => b.score - a.score)[0]?.variant;
}
