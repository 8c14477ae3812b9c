import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Case, type Cases, makeCases, type PoolKind } from './cases.ts';
import type { Verifier } from './verifier.ts';
import { verifiers } from './verifiers.ts';

/** `npm run narrowing [-- --write]`: what verifiers of others make of narrowed anchors, those that are here, as in docs/narrowing.md. */
const PAGE = join(import.meta.dirname, '../../docs/narrowing.md');
const MARKS = { uri: 'ids', dns: 'names' } as const;

const { write } = parseArgs({ options: { write: { type: 'boolean', default: false } } }).values;
using cases = await makeCases();
const found: Found[] = [];
for (const verifier of verifiers(cases.own)) found.push({ verifier, ...(await verdictsOf(verifier, cases)) });
let page = readFileSync(PAGE, 'utf8');
for (const kind of ['uri', 'dns'] as const) {
  const table = renderTable(found, casesOf(kind));
  console.log(`${table}\n`);
  const [begin, end] = [`<!-- ${MARKS[kind]}:begin -->`, `<!-- ${MARKS[kind]}:end -->`];
  page = `${page.split(begin)[0]}${begin}\n\n${table}\n\n${end}${page.split(end)[1]}`;
}
if (write) writeFileSync(PAGE, page);

interface Found {
  readonly verifier: Verifier;
  readonly version: string | undefined;
  readonly narrowed: ReadonlyMap<Case, boolean>;
  readonly plain: ReadonlyMap<Case, boolean>;
}

function casesOf(kind: PoolKind): readonly Case[] {
  return cases.all.filter(({ pool }) => pool === kind);
}

async function verdictsOf(verifier: Verifier, { pools, all }: Cases): Promise<Omit<Found, 'verifier'>> {
  const version = verifier.version();
  if (version === undefined) return { version, narrowed: new Map(), plain: new Map() };
  const by = async (pool: PoolKind, some: readonly Case[]) => {
    const verdicts = await verifier.judge(pools[pool], some);
    return some.map((each, index) => [each, verdicts[index] === true] as const);
  };
  const narrowed = [...(await by('uri', casesOf('uri'))), ...(await by('dns', casesOf('dns')))];
  return { version, narrowed: new Map(narrowed), plain: new Map(await by('plain', all)) };
}

function renderTable(rows: readonly Found[], columns: readonly Case[]): string {
  const heads = columns.map(({ name, expected }) => (expected === 'accepted' ? name : `*${name}*`));
  const lines = rows.map(({ verifier, version, narrowed, plain }) => [
    verifier.name,
    verifier.usedBy,
    version ?? '*not here*',
    ...columns.map((each) => (version === undefined ? '' : cell(each, narrowed, plain))),
  ]);
  const all = [
    ['verifier', 'used by', 'version', ...heads],
    heads.map(() => '---').concat('---', '---', '---'),
  ];
  return [...all, ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}

/** `yes` for let in, `no` for refused, strong where it is not what it has to be. */
function cell(each: Case, narrowed: Found['narrowed'], plain: Found['plain']): string {
  const isAccepted = narrowed.get(each) === true;
  if (isAccepted !== (each.expected === 'accepted')) return isAccepted ? '**yes**' : '**no**';
  if (isAccepted) return 'yes';
  // A refusal is the anchor's doing only where the plain root lets it in.
  return plain.get(each) === true ? 'no' : 'no, nor by the plain root';
}
