import { parseExemptHost } from '../federation/index.ts';
import { wanted } from './fields.ts';

/** The URL of an HTTP proxy: `http`, a host and a port, and nothing else. */
export const proxyUrl = () =>
  wanted(
    parseProxyUrl,
    'a proxy is "http://host:port", without a user, a path or a query; credentials are in credentials_file',
    { secret: true },
  );

/** A host that is connected to without the proxy. */
export const exemptHost = () =>
  wanted(
    parseExemptHost,
    'an entry is an IP address, a host name such as "peer.example", or ".example" for the names under it',
  );

function parseProxyUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  if (url?.protocol !== 'http:' || url.hostname === '') return undefined;
  const rest = [url.username, url.password, url.search, url.hash].join('');
  return rest === '' && url.pathname === '/' ? url : undefined;
}
