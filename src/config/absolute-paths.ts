import { resolve } from 'node:path';
import { z } from 'zod';
import { isMapping } from '../objects/index.ts';
import { isPathField } from './fields.ts';
import { bared, variantsOf } from './schema-walk.ts';

/**
 * Returns the value of a config file with an absolute path in every `path()` field of its schema. A
 * relative one starts at `folder`, the folder of the file. Changes nothing else, because the schema
 * judges the rest.
 */
export function withAbsolutePaths(schema: z.core.$ZodType, value: unknown, folder: string): unknown {
  const variants = variantsOf(schema);
  // Each variant has its turn, because the key that selects one may have a mistake.
  if (variants.length > 0)
    return variants.reduce((result, variant) => withAbsolutePaths(variant, result, folder), value);
  const plain = bared(schema);
  if (isPathField(plain)) return typeof value === 'string' && value !== '' ? resolve(folder, value) : value;
  if (plain instanceof z.core.$ZodArray && Array.isArray(value))
    return value.map((each) => withAbsolutePaths(plain._zod.def.element, each, folder));
  if (plain instanceof z.core.$ZodObject && isMapping(value)) {
    const { shape } = plain._zod.def;
    return Object.fromEntries(
      Object.entries(value).map(([key, below]) => {
        const field = Object.hasOwn(shape, key) ? shape[key] : undefined;
        return [key, field ? withAbsolutePaths(field, below, folder) : below];
      }),
    );
  }
  return value;
}
