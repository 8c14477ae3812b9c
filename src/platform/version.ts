import { readFileSync } from 'node:fs';

/** The version in `package.json`. */
export function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const document: unknown = JSON.parse(text);
  if (typeof document === 'object' && document !== null && 'version' in document)
    return String(document.version);
  throw new TypeError('package.json has no version');
}
