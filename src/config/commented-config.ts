import { Document, isMap, isScalar, visit } from 'yaml';
import { z } from 'zod';
import { type ConfigKind, configSchemas } from './config-kinds.ts';
import { schemaAt } from './schema-walk.ts';

const COLUMNS = 96;

/** What a config says, as its file does: names, texts, numbers, lists and sections. */
export type ConfigValue = string | number | boolean | readonly ConfigValue[] | ConfigSection;
export interface ConfigSection {
  readonly [key: string]: ConfigValue;
}

/**
 * The text of a config file in which each field has its description from the schema above it.
 * `heading` is the comment at the top. A comment in `instead`, by the path of its field
 * (`mesh.own_pem_files`), stands in the place of the description. Pure.
 */
export function commentedConfig(
  kind: ConfigKind,
  value: ConfigSection,
  heading: string,
  instead: Readonly<Record<string, string>> = {},
): string {
  const document = new Document(value);
  document.commentBefore = comment(heading, 0);
  visit(document, {
    Pair: (_, pair, ancestors) => {
      const above = ancestors.flatMap((each) =>
        'key' in each && isScalar(each.key) ? [String(each.key.value)] : [],
      );
      if (!isScalar(pair.key)) return;
      const path = [...above, String(pair.key.value)];
      const text = instead[path.join('.')] ?? describedAt(kind, path, value);
      if (text !== undefined) pair.key.commentBefore = comment(text, above.length);
      if (above.length === 0 && path[0] !== Object.keys(value)[0]) pair.key.spaceBefore = true;
      if (isMap(pair.value)) pair.value.spaceBefore = false;
    },
  });
  return document.toString({ lineWidth: 0 });
}

/** The description of the field, which stands on the field of its section as it was declared. */
function describedAt(kind: ConfigKind, path: readonly string[], value: ConfigSection): string | undefined {
  const section = schemaAt(configSchemas[kind], path.slice(0, -1), value);
  if (!(section instanceof z.core.$ZodObject)) return undefined;
  const field = section._zod.def.shape[path.at(-1) ?? ''];
  return field && z.globalRegistry.get(field)?.description;
}

/** Words in lines that fit, with the blank of a comment before each. */
function comment(text: string, depth: number): string {
  const width = COLUMNS - 2 * depth;
  return text
    .split('\n')
    .flatMap((paragraph) => {
      const lines = [''];
      for (const word of paragraph.replaceAll('`', '').split(' ')) {
        const line = lines.at(-1) ?? '';
        if (line === '') lines[lines.length - 1] = word;
        else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
        else lines.push(word);
      }
      return lines;
    })
    .map((line) => (line === '' ? '' : ` ${line}`))
    .join('\n');
}
