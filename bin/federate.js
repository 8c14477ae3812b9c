#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one gets a sentence instead of a syntax error.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 23)) {
  process.stderr.write(
    `federate needs Node 24 (22.23 at the least); this is Node ${process.versions.node}.\n` +
      'In a checkout, "npm ci" brings the right one and "npx federate …" uses it.\n',
  );
  process.exitCode = 2;
} else {
  const { main } = await import('../src/cli/main.ts');
  process.exitCode = await main(process.argv.slice(2));
}
