import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { Child } from '../support/child.ts';
import type { InteropProgram } from '../support/program.ts';
import { rootChecks } from '../support/root-checks.ts';
import { workloadClientChecks } from '../support/workload-client-checks.ts';

const CLIENT = join(import.meta.dirname, '../workload-clients/Client.java');
const ROOTS = join(import.meta.dirname, '../workload-clients/Roots.java');
const CORE = /^java-spiffe-core-([\d.]+)\.jar$/;

/** The folder of its JARs, which another variable names. */
const jars = () => process.env['FEDERATE_JAVA_SPIFFE'] ?? '';

/** java-spiffe, the Workload API client for Java, on gRPC for Java and Netty. */
export const javaSpiffe: InteropProgram = {
  name: 'java-spiffe',
  variable: 'FEDERATE_JAVA',
  command: 'java',
  prepare: (java) => (version() !== undefined && compiles(java) ? java : undefined),
  version: () => version() ?? 'unknown',
  install:
    'a JDK of 17 or later, and a folder with `java-spiffe-core`, `grpc-netty-linux` and what they need, named by FEDERATE_JAVA_SPIFFE: `mvn -f interop/workload-clients/pom.xml dependency:copy-dependencies`',
  checks: [
    ...workloadClientChecks((java, words) => new Child(java, ['-cp', join(jars(), '*'), CLIENT, ...words])),
    ...rootChecks(readRoots, 'an empty issuer'),
  ],
};

function readRoots(java: string, pem: string): string | undefined {
  const { status, stderr } = spawnSync(java, [ROOTS, pem], { encoding: 'utf8', timeout: 120_000 });
  return status === 0 ? undefined : stderr;
}

function version(): string | undefined {
  if (!existsSync(jars())) return undefined;
  for (const name of readdirSync(jars())) {
    const found = CORE.exec(name)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether it is more than a runtime: the client is a source file. */
function compiles(java: string): boolean {
  return spawnSync(java, ['--list-modules'], { encoding: 'utf8' }).stdout.includes('jdk.compiler');
}
