import { CodedError } from '../../errors/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { isDnsLabel, isHostName, isLocalName } from '../service/host-name.ts';
import type { ServiceId } from '../service/service.ts';

export type ImportNameErrorCode =
  /** Not a legal host name, or one of a local network or a cluster. */
  | 'import-name-invalid'
  /** The trust domain gives no alias, or the alias is one of another peer: the operator chooses one. */
  | 'import-alias-needed';

/** An import cannot get the name. */
export class ImportNameError extends CodedError<ImportNameErrorCode> {}

/**
 * The name by which callers here reach a peer's service: `<id>.<alias>.<suffix>`. Throws
 * `ImportNameError` `import-name-invalid`.
 */
export function importName(id: ServiceId, alias: string, suffix: string): string {
  return parseImportName(`${id}.${alias}.${suffix}`);
}

/**
 * A host name for an import, chosen by the operator. Throws `ImportNameError` `import-name-invalid`.
 */
export function parseImportName(text: string): string {
  if (isHostName(text) && !isLocalName(text)) return text;
  const why = isHostName(text)
    ? 'belongs to a local network or a cluster'
    : 'is not a host name of at least two labels in lower case';
  throw new ImportNameError(
    'import-name-invalid',
    `the name of an import ${JSON.stringify(text.slice(0, 260))} ${why}`,
  );
}

/** A peer's alias that the operator chose. Throws `ImportNameError` `import-alias-needed`. */
export function parseAlias(text: string): string {
  if (isDnsLabel(text)) return text;
  throw new ImportNameError(
    'import-alias-needed',
    `the alias of a peer is one DNS label in lower case, not ${JSON.stringify(text.slice(0, 80))}`,
  );
}

/**
 * The alias of a peer without the operator's choice: the first label of its trust domain. Throws
 * `ImportNameError` `import-alias-needed` where that is not a DNS label, or where another peer has it.
 */
export function defaultAlias(
  trustDomain: TrustDomain,
  aliasOwner: (alias: string) => TrustDomain | undefined,
): string {
  const [label = ''] = trustDomain.split('.', 1);
  const owner = aliasOwner(label);
  if (isDnsLabel(label) && (owner === undefined || owner === trustDomain)) return label;
  const why = isDnsLabel(label) ? `is the alias of ${owner}` : 'is not a DNS label';
  throw new ImportNameError(
    'import-alias-needed',
    `${trustDomain} needs an alias, because ${JSON.stringify(label.slice(0, 80))} ${why}`,
  );
}
