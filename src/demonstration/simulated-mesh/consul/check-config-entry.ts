import { isMapping } from '../../../objects/index.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * The product's refusal of a config entry, in its words; undefined for one that it takes. Judges the
 * kinds by which services and their callers are named.
 */
export function refusalOfEntry(kind: string, name: string, body: Fields): string | undefined {
  if (kind === 'exported-services') return refusalOfExports(name, body);
  if (kind === 'service-intentions') return refusalOfIntentions(name, body);
  return undefined;
}

function refusalOfExports(name: string, { Services }: Fields): string | undefined {
  if (name !== 'default') return 'exported-services Name must be "default"';
  for (const [index, service] of listOf(Services).entries()) {
    if (textOf(service['Name']) === '') return `Services[${index}]: service name cannot be empty`;
    if (service['Name'] === 'consul')
      return `Services[${index}]: exporting the "consul" service is not supported`;
    const consumers = listOf(service['Consumers']);
    if (consumers.length === 0) return `Services[${index}]: must have at least one consumer`;
    for (const [at, { Peer }] of consumers.entries())
      if (textOf(Peer) === '' || Peer === '*')
        return `Services[${index}].Consumers[${at}]: must define a Peer, and not a wildcard`;
  }
  return undefined;
}

function refusalOfIntentions(name: string, { Sources }: Fields): string | undefined {
  const seen = new Set<string>();
  if (listOf(Sources).length === 0) return 'At least one source is required';
  for (const [index, source] of listOf(Sources).entries()) {
    const at = `Sources[${index}]`;
    const { Name, Peer, Namespace, Action, Permissions } = source;
    if (textOf(Name) === '') return `${at}.Name is required`;
    const key = [Name, Peer, Namespace].map(textOf).join('/');
    if (seen.has(key)) return `${at} defines ${JSON.stringify(Name)} more than once`;
    seen.add(key);
    const permissions = listOf(Permissions);
    if ((textOf(Action) !== '') === permissions.length > 0)
      return `${at} must have one of Action and Permissions`;
    if (textOf(Action) !== '' && Action !== 'allow' && Action !== 'deny')
      return `${at}.Action must be set to 'allow' or 'deny'`;
    if (permissions.length > 0 && name === '*') return `${at}.Permissions cannot be set with a wildcard name`;
    for (const [which, { Action: action, HTTP }] of permissions.entries()) {
      const place = `${at}.Permissions[${which}]`;
      if (action !== 'allow' && action !== 'deny') return `${place}.Action must be set to 'allow' or 'deny'`;
      const wrong = refusalOfHttp(isMapping(HTTP) ? HTTP : {});
      if (wrong !== undefined) return `${place}.HTTP${wrong}`;
    }
  }
  return undefined;
}

function refusalOfHttp({ PathExact, PathPrefix, PathRegex, Header, Methods }: Fields): string | undefined {
  const paths = [PathExact, PathPrefix, PathRegex].map(textOf).filter((path) => path !== '');
  if (paths.length > 1) return ' should only contain one of PathExact, PathPrefix, or PathRegex';
  for (const path of [PathExact, PathPrefix].map(textOf))
    if (path !== '' && !path.startsWith('/'))
      return `: the path does not start with '/': ${JSON.stringify(path)}`;
  if (paths.length === 0 && listOf(Header).length === 0 && !Array.isArray(Methods))
    return ' should not be empty';
  const wrong = (Array.isArray(Methods) ? Methods : []).find((each) => !/^[A-Z]+$/.test(String(each)));
  if (wrong !== undefined) return `.Methods contains an invalid method ${JSON.stringify(wrong)}`;
  for (const [index, header] of listOf(Header).entries()) {
    if (textOf(header['Name']) === '') return `.Header[${index}] missing required Name field`;
    const forms = ['Exact', 'Prefix', 'Suffix', 'Regex'].filter((form) => textOf(header[form]) !== '').length;
    if (forms + (header['Present'] === true ? 1 : 0) !== 1)
      return `.Header[${index}] should only contain one of Present, Exact, Prefix, Suffix, or Regex`;
  }
  return undefined;
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isMapping) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
