import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
/** What a project of a user has besides ours. */
const NEIGHBOURS = ['@types/node', 'undici-types', 'undici', '@grpc/grpc-js'];

/** What `npm pack` reads, besides `dist/`. */
const PACKED = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'bin', 'docs'];

/** A TypeScript project outside of the checkout, with the packed package as its only dependency of ours. */
export class PackedProject implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'federate-packed-'));

  constructor() {
    // A folder of its own, because other tests build and pack the checkout at the same time.
    const staged = join(this.folder, 'staged');
    for (const name of PACKED) cpSync(join(ROOT, name), join(staged, name), { recursive: true });
    const build = join(ROOT, 'tools/build/build.ts');
    execFileSync(process.execPath, [build, '--out', join(staged, 'dist')], { stdio: 'pipe' });
    // What npm does with a package, without the registry: make the file, and unpack it.
    const words = ['pack', '--silent', '--ignore-scripts', '--pack-destination', this.folder];
    execFileSync('npm', words, { cwd: staged, stdio: 'pipe' });
    const modules = join(this.folder, 'node_modules');
    mkdirSync(join(modules, 'federate'), { recursive: true });
    const [file] = execFileSync('ls', [this.folder], { encoding: 'utf8' }).match(/\S+\.tgz/) ?? [];
    execFileSync('tar', [
      'xzf',
      join(this.folder, file ?? ''),
      '-C',
      join(modules, 'federate'),
      '--strip-components=1',
    ]);
    for (const name of NEIGHBOURS) {
      mkdirSync(join(modules, name, '..'), { recursive: true });
      if (name.startsWith('@types/') || name === 'undici-types')
        cpSync(join(ROOT, 'node_modules', name), join(modules, name), { recursive: true });
      else symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    }
    this.write('package.json', JSON.stringify({ name: 'foreign', private: true, type: 'module' }));
  }

  /** Writes a file of the project, and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Compiles the files with every strictness; what the compiler reports, nothing where all is well. */
  compile(files: readonly string[], options: Readonly<Record<string, unknown>>): string {
    const config = {
      compilerOptions: {
        target: 'es2024',
        lib: ['es2024', 'esnext.disposable'],
        types: ['node'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        noPropertyAccessFromIndexSignature: true,
        erasableSyntaxOnly: true,
        allowImportingTsExtensions: true,
        verbatimModuleSyntax: true,
        skipLibCheck: false,
        noEmit: true,
        ...options,
      },
      files,
    };
    this.write('tsconfig.json', JSON.stringify(config));
    try {
      execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', this.folder], {
        encoding: 'utf8',
        stdio: 'pipe',
      });
      return '';
    } catch (error) {
      return String((error as { stdout?: unknown }).stdout);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
