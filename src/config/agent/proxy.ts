import { z } from 'zod';
import { parseExemptHost } from '../../federation/index.ts';
import { path, wanted } from '../fields.ts';

/** The URL of an HTTP proxy: `http`, a host and a port, and nothing else. */
const proxyUrl = () =>
  wanted(
    parseProxyUrl,
    'a proxy is "http://host:port", without a user, a path or a query; credentials are in credentials_file',
    { secret: true },
  );

/** A host that is connected to without the proxy. */
const exemptHost = () =>
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

/** `federation.proxy` of an agent. */
export const proxy = z.strictObject({
  url: proxyUrl().describe(
    'The proxy, as `http://host:port`. It sees names and ports of endpoints, and only TLS.',
  ),
  credentials_file: path()
    .optional()
    .describe(
      'File with one line, `user:password`, mode 0600. It is read for each connection, so it can be replaced at any time.',
    ),
  no_proxy: z
    .array(exemptHost())
    .default([])
    .describe(
      'Hosts that are connected to directly: an IP address, a host name, or `.example.org` for every name under `example.org`.',
    ),
});
