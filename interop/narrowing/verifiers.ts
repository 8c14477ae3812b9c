import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { goSpiffe } from '../programs/go-spiffe.ts';
import { olderRustls, rustls } from '../programs/rustls.ts';
import type { LeafFiles } from '../support/linkerd-mesh.ts';
import { findExecutable, firstLineOf, type InteropProgram } from '../support/program.ts';
import { envoyVerifier, nodeVerifier } from './tls-servers.ts';
import { commandVerifier, run, type Verifier, verdictsIn } from './verifier.ts';

/** Every verifier that is asked; `own` is what a server of ours shows. */
export function verifiers(own: LeafFiles): readonly Verifier[] {
  return [
    envoyVerifier(own),
    openSsl('OpenSSL', 'nginx, HAProxy, curl, PostgreSQL', []),
    openSsl('OpenSSL, strict and partial chain', 'programs that ask for it', [
      '-x509_strict',
      '-partial_chain',
    ]),
    python(own),
    nodeVerifier(own),
    go(),
    rust(rustls, 'rustls', "Linkerd's proxies, programs in Rust"),
    rust(olderRustls, 'rustls before webpki 0.103.12', 'the same, built before April 2026'),
    gnuTls(),
    nss(),
    java(),
  ];
}

function openSsl(name: string, usedBy: string, flags: readonly string[]): Verifier {
  return commandVerifier({
    name,
    usedBy,
    command: 'openssl',
    versionWords: ['version'],
    versionPattern: /^OpenSSL (\S+)/,
    words: (pool, { chain }) =>
      ['verify', '-no-CApath', '-no-CAstore', '-purpose', 'sslclient', flags, '-CAfile', pool]
        .flat()
        .concat('-untrusted', chain, chain),
  });
}

function gnuTls(): Verifier {
  return commandVerifier({
    name: 'GnuTLS',
    usedBy: 'wget, Exim, OpenLDAP and others in Debian',
    command: 'certtool',
    versionWords: ['--version'],
    versionPattern: /^certtool (\S+)/,
    words: (pool, { chain }) => ['--verify', '--load-ca-certificate', pool, '--infile', chain],
  });
}

function python(own: LeafFiles): Verifier {
  const script = join(import.meta.dirname, 'verify.py');
  return {
    name: 'Python ssl',
    usedBy: 'Python, its default context',
    version: () => {
      if (findExecutable({ variable: 'FEDERATE_PYTHON', command: 'python3' }) === undefined) return undefined;
      const words = ['-c', 'import ssl, sys; print(sys.version.split()[0] + ", " + ssl.OPENSSL_VERSION)'];
      return firstLineOf('python3', words, /^(\S+, OpenSSL \S+)/);
    },
    judge: async (pool, leaves) => {
      const words = [script, pool, own.chain, own.key, ...leaves.flatMap(({ chain, key }) => [chain, key])];
      return verdictsIn(run('python3', words).stdout, leaves.length);
    },
  };
}

function go(): Verifier {
  const build = prepared(goSpiffe);
  return {
    name: 'Go crypto/x509',
    usedBy: 'programs in Go that take a pool',
    version: () => (build() === undefined ? undefined : firstLineOf('go', ['version'], /go(\d\S+)/)),
    judge: async (pool, leaves) => {
      const words = ['pool', pool, ...leaves.map(({ chain }) => chain)];
      return verdictsIn(run(build() ?? '', words).stdout, leaves.length);
    },
  };
}

function rust(program: InteropProgram, name: string, usedBy: string): Verifier {
  const build = prepared(program);
  return {
    name,
    usedBy,
    version: () => {
      const executable = build();
      return executable === undefined ? undefined : program.version(executable);
    },
    judge: async (pool, leaves) => {
      const questions = leaves.map(({ chain }) => `client\t${pool}\t${chain}\n`).join('');
      const printed = run(build() ?? '', [], questions).stdout.replaceAll(/^\{"names.*$/gm, 'accepted');
      return verdictsIn(printed.replaceAll(/^\{"refused/gm, 'refused'), leaves.length);
    },
  };
}

/** Builds a program of ours once, where its language is here. */
function prepared(program: InteropProgram): () => string | undefined {
  let built: { readonly executable: string | undefined } | undefined;
  return () => {
    const found = findExecutable(program);
    built ??= { executable: found === undefined ? undefined : program.prepare?.(found) };
    return built.executable;
  };
}

function java(): Verifier {
  const program = join(import.meta.dirname, 'Pkix.java');
  return {
    name: 'Java PKIX',
    usedBy: 'everything on a JVM, its default trust manager',
    version: () =>
      findExecutable({ variable: 'FEDERATE_JAVA', command: 'javac' }) === undefined
        ? undefined
        : firstLineOf('java', ['-version'], /version "([^"]+)"/),
    judge: async (pool, leaves) => {
      const words = [program, pool, ...leaves.map(({ chain }) => chain)];
      return verdictsIn(run('java', words).stdout, leaves.length);
    },
  };
}

function nss(): Verifier {
  return {
    name: 'NSS',
    usedBy: '389 Directory Server and others of Red Hat',
    version: () =>
      findExecutable({ variable: 'FEDERATE_VFYCHAIN', command: 'vfychain' }) === undefined
        ? undefined
        : firstLineOf('dpkg-query', ['-W', '-f', '$' + '{Version}\n', 'libnss3'], /^(?:\d+:)?([\d.]+)/),
    judge: async (pool, leaves) => {
      const folder = mkdtempSync(join(tmpdir(), 'federate-nss-'));
      let files = 0;
      const split = (path: string) =>
        readFileSync(path, 'utf8')
          .split(/(?<=-----END CERTIFICATE-----\n)/)
          .map((pem) => {
            files += 1;
            const file = join(folder, `${files}.pem`);
            writeFileSync(file, pem);
            return file;
          });
      try {
        run('certutil', ['-N', '--empty-password', '-d', folder]);
        for (const anchor of split(pool))
          run('certutil', ['-A', '-d', folder, '-n', anchor, '-t', 'TC,C,C', '-a', '-i', anchor]);
        return leaves.map(({ chain }) => {
          const words = ['-d', folder, '-pp', '-u', '0', ...split(chain).flatMap((file) => ['-a', file])];
          return run('vfychain', words).status === 0;
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
