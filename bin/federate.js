#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one gets a sentence instead of a syntax error.
const major = Number(process.versions.node.split('.')[0]);

if (major < 24) {
  process.stderr.write(
    `federate needs Node 24 or later; this is Node ${process.versions.node}.\n` +
      'In a checkout, "npm ci" brings the right one and "npx federate …" uses it.\n',
  );
  process.exitCode = 2;
} else {
  const { main } = await import('../src/cli/main.ts');
  process.exitCode = await main(process.argv.slice(2));
}
