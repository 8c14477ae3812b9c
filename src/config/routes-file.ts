import { parse } from 'yaml';
import { messageOf } from '../errors/index.ts';
import { parseRouteTable, type RouteTable } from '../gateway/index.ts';
import { readRegularText } from '../platform/index.ts';
import { ConfigError } from './config-error.ts';

/** The route table of a file. Throws `ConfigError` `config-unreadable` or `config-invalid`. */
export async function readRoutes(file: string): Promise<RouteTable> {
  let text: string;
  try {
    text = await readRegularText(file);
  } catch (cause) {
    throw unusable(file, cause);
  }
  return routesOf(file, text);
}

/** The route table of the text of a file. Throws `ConfigError` `config-invalid`. */
export function routesOf(file: string, text: string): RouteTable {
  try {
    return parseRouteTable(parse(text, { uniqueKeys: true }));
  } catch (cause) {
    throw unusable(file, cause);
  }
}

function unusable(file: string, cause: unknown): ConfigError {
  const why = messageOf(cause);
  return new ConfigError('config-invalid', `the routes ${file} cannot be used: ${why}`, [], { cause });
}
