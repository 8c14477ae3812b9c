import { installation } from './installation.ts';

/** The version in `package.json`. */
export function version(): string {
  return installation.version;
}

/** What `federate --version` prints: version, commit and Node.js. */
export function versionLine(): string {
  return `${version()} (commit ${installation.commit ?? 'unknown'}, Node.js ${process.versions.node})`;
}
