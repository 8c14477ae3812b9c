#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one gets a sentence instead of a syntax error.
import { existsSync } from 'node:fs';

const major = Number(process.versions.node.split('.')[0]);

if (major < 24) {
  process.stderr.write(
    `federate needs Node 24 or later; this is Node ${process.versions.node}.\n` +
      'In a checkout, "npm ci" brings the right one and "npx federate …" uses it.\n',
  );
  process.exitCode = 2;
} else {
  // A checkout runs its sources. A package has JavaScript only, because Node strips no types under node_modules.
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const built = new URL('../dist/cli/main.js', import.meta.url);
  const { main } = await import((existsSync(source) ? source : built).href);
  process.exitCode = await main(process.argv.slice(2));
}
