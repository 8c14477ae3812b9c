import { z } from 'zod';
import { accessPolicySchema, configSchemas } from '../../src/config/index.ts';

const TITLES: ReadonlyMap<string, string> = new Map([
  ['agent', '`federate agent`'],
  ['gateway', '`federate gateway`'],
  ['sidecar', '`federate sidecar`'],
  ['simulated-istio', '`federate simulate istio`'],
  ['simulated-consul', '`federate simulate consul`'],
  ['weather', '`federate simulate weather`'],
]);

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** `docs/config.md`: every field of every config file, from the schemas themselves. */
export function renderConfigReference(): string {
  const sections = [
    ...Object.entries(configSchemas).map(([kind, schema]) => section(TITLES.get(kind) ?? kind, schema)),
    section('Access policy: `federate access`', accessPolicySchema),
  ];
  return `# Config files

One YAML file per process, checked as a whole before anything starts. Durations and sizes have
units (\`30s\`, \`5m\`, \`64KiB\`); relative paths start at the folder of the file; secrets are paths, never values.

\`federate check-config FILE\` names every mistake at once, with its line, and starts nothing. It opens the files that the config names:
each has to be there and readable, certificates have to be valid now and to belong to their keys, and keys and tokens have mode 0600.
A message names a file by its absolute path.
Run it as the user that the process runs as. \`--without-files\` checks the text alone, for instance in CI.

${sections.join('\n')}`;
}

function section(title: string, file: z.ZodType): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- zod writes only this part
  const schema = z.toJSONSchema(file, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  return `## ${title}\n\n${renderFields(schema, 0).join('\n')}\n`;
}

function renderFields(schema: JsonSchema, depth: number): string[] {
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) {
    return variants.flatMap((variant, index) => [
      ...(variants.length > 1 ? [`${'  '.repeat(depth)}- _${index === 0 ? 'either' : 'or'}_`] : []),
      ...renderFields(variant, variants.length > 1 ? depth + 1 : depth),
    ]);
  }
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    `${'  '.repeat(depth)}- \`${name}\`${traits(field, schema.required?.includes(name) === true)}${field.description === undefined ? '' : `: ${field.description}`}`,
    ...renderFields(field.items ?? field, depth + 1),
  ]);
}

function traits(field: JsonSchema, required: boolean): string {
  const notes = [
    ...(field.const === undefined ? [] : [`\`${field.const}\``]),
    ...(field.enum === undefined ? [] : [field.enum.map((each) => `\`${String(each)}\``).join(', ')]),
    ...(required ? ['required'] : []),
    ...(isPlain(field.default) ? [`default \`${field.default}\``] : []),
  ];
  return notes.length === 0 ? '' : ` (${notes.join('; ')})`;
}

function isPlain(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}
