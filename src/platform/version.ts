import { installation } from './installation.ts';

/** The version in `package.json`. */
export function version(): string {
  return installation.version;
}

/** Twelve digits of the commit; undefined where it is not known. */
export function commit(): string | undefined {
  return installation.commit;
}

/** What `federate --version` prints: version, commit and Node.js. */
export function versionLine(): string {
  return `${version()} (commit ${commit() ?? 'unknown'}, Node.js ${process.versions.node})`;
}
