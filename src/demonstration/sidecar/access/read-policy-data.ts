import { defined, isMapping } from '../../../objects/index.ts';
import {
  type AccessRule,
  type HeaderMatch,
  parseCaller,
  parseServiceId,
  type PathMatch,
  type Service,
} from '../../../services/index.ts';

type Policy = { readonly service: Service; readonly rules: readonly AccessRule[] };

/**
 * Reads the data document that `access compile --for opa` and an agent's `services.policy_file` have:
 * each service with its ports and rules. Throws where a part has another form, because a rule must not
 * read as a wider one.
 */
export function readPolicyData(text: string): ReadonlyMap<string, Policy> {
  const { services } = record(JSON.parse(text), 'the document');
  return new Map(
    Object.entries(record(services, 'services')).map(([id, value]) => [id, policyOf(id, value)]),
  );
}

function policyOf(id: string, value: unknown): Policy {
  const { ports, rules } = record(value, id);
  return {
    service: {
      id: parseServiceId(id),
      // Only the names of ports count for a decision.
      ports: texts(ports, 'ports').map((name) => ({ name, port: 0, protocol: 'http', serverFirst: false })),
    },
    rules: list(rules, 'rules').map((rule) => ruleOf(record(rule, 'a rule'))),
  };
}

function ruleOf(rule: Readonly<Record<string, unknown>>): AccessRule {
  const { id, effect, identities, prefixes, ports, methods, paths, headers, ...unknown } = rule;
  const [other] = Object.keys(unknown);
  if (other !== undefined) throw new TypeError(`a rule has the unknown part ${other}`);
  if (typeof id !== 'string' || (effect !== 'allow' && effect !== 'deny'))
    throw new TypeError('a rule has an ID, and the effect allow or deny');
  const http = defined({
    methods: methods === undefined ? undefined : texts(methods, 'methods'),
    paths: paths === undefined ? undefined : list(paths, 'paths').map(pathOf),
    headers: headers === undefined ? undefined : list(headers, 'headers').map(headerOf),
  });
  return {
    id,
    effect,
    callers: [...texts(identities, 'identities'), ...texts(prefixes, 'prefixes').map(trustDomainIn)].map(
      parseCaller,
    ),
    ...(ports !== undefined && { ports: texts(ports, 'ports') }),
    ...(Object.keys(http).length > 0 && { http }),
  };
}

function trustDomainIn(prefix: string): string {
  const [, name] = /^spiffe:\/\/([^/]+)\/$/.exec(prefix) ?? [];
  if (name !== undefined) return name;
  throw new TypeError(`${JSON.stringify(prefix)} is not the beginning of the IDs of a trust domain`);
}

function pathOf(value: unknown): PathMatch {
  const { kind, path } = record(value, 'a path');
  if ((kind === 'exact' || kind === 'prefix') && typeof path === 'string') return { kind, path };
  throw new TypeError('a path is exact or a prefix');
}

function headerOf(value: unknown): HeaderMatch {
  const { name, value: wanted } = record(value, 'a header');
  if (typeof name !== 'string' || (wanted !== undefined && typeof wanted !== 'string'))
    throw new TypeError('a header has a name, and a value or none');
  return { name, ...defined({ value: wanted }) };
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (isMapping(value)) return value;
  throw new TypeError(`${what} is not an object`);
}

function list(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`${what} is not a list`);
}

function texts(value: unknown, what: string): readonly string[] {
  const items = list(value, what);
  if (items.every((item) => typeof item === 'string')) return items;
  throw new TypeError(`${what} is not a list of texts`);
}
