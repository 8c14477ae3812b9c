import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EndpointProfile, parseEndpointUrl, RelationshipError } from '../../spiffe/index.ts';

/**
 * The URL a bundle comes from: that of an endpoint, or for a signed bundle also a file of this
 * machine, `file:///…`. Throws `RelationshipError` as `parseEndpointUrl` does.
 */
export function parseSourceUrl(text: string, profile: EndpointProfile): URL {
  if (profile.kind !== 'signed_bundle' || !/^file:/i.test(text)) return parseEndpointUrl(text);
  const url = text.length <= 2048 ? URL.parse(text) : null;
  if (!url || url.host !== '' || url.search !== '' || url.hash !== '' || !isPath(url))
    throw new RelationshipError(
      'url-invalid',
      'the URL of a file is file:// and an absolute path on this machine',
    );
  return url;
}

function isPath(url: URL): boolean {
  try {
    return isAbsolute(fileURLToPath(url));
  } catch {
    return false;
  }
}
