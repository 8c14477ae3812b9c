import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../errors/index.ts';
import { defined } from '../../objects/index.ts';
import { syncFolder, writeDurably } from '../../platform/index.ts';
import { certificatesFromPem, pemFromCertificates, type TrustDomain } from '../../spiffe/index.ts';
import { SimulatedMeshError } from './errors.ts';

/**
 * `next`: trusted but not signing yet · `active`: signs · `retiring`: still trusted, has stopped
 * signing.
 */
export type RootPhase = 'next' | 'active' | 'retiring';

/** A root with its secrets, as stored in the folder. */
export interface StoredRoot {
  readonly number: number;
  readonly phase: RootPhase;
  readonly certificate: Uint8Array;
  readonly key: KeyObject;
  readonly intermediate?: { readonly certificate: Uint8Array; readonly key: KeyObject };
  readonly crossSigned?: Uint8Array;
}

interface State {
  readonly format: 1;
  readonly trustDomain: string;
  /** The highest root number ever used. */
  readonly lastNumber: number;
  readonly roots: readonly {
    readonly number: number;
    readonly phase: RootPhase;
    readonly files: readonly string[];
  }[];
}

const STATE_FILE = 'ca.json';
const ORDER: readonly RootPhase[] = ['retiring', 'active', 'next'];

/**
 * The files of a CA: `ca.json` lists the roots and their phases, and each root has its PEM files
 * next to it. Because the files are written first and `ca.json` last, a crash leaves the old state
 * or the new one.
 */
export class CaFolder {
  readonly #path: string;
  readonly #trustDomain: TrustDomain;
  #roots: readonly StoredRoot[];
  #lastNumber: number;

  private constructor(
    path: string,
    trustDomain: TrustDomain,
    roots: readonly StoredRoot[],
    lastNumber: number,
  ) {
    this.#path = path;
    this.#trustDomain = trustDomain;
    this.#roots = roots;
    this.#lastNumber = lastNumber;
  }

  /**
   * Throws `SimulatedMeshError`: `ca-state-malformed`, `ca-other-trust-domain`; the system's error
   * otherwise.
   */
  static async open(path: string, trustDomain: TrustDomain): Promise<CaFolder> {
    const state = await readState(path);
    if (!state) return new CaFolder(path, trustDomain, [], 0);
    if (state.trustDomain !== trustDomain) {
      throw new SimulatedMeshError(
        'ca-other-trust-domain',
        `the CA in ${path} is that of ${state.trustDomain}, not of ${trustDomain}`,
      );
    }
    const roots = await Promise.all(state.roots.map(({ number, phase }) => readRoot(path, number, phase)));
    const folder = new CaFolder(path, trustDomain, roots, state.lastNumber);
    await folder.#removeOthers(state);
    return folder;
  }

  /** Retiring first, then active, then next. */
  get roots(): readonly StoredRoot[] {
    return this.#roots;
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** Makes these the roots; the files of any other root, its keys above all, are removed. */
  async save(roots: readonly StoredRoot[]): Promise<void> {
    const lastNumber = Math.max(this.#lastNumber, ...roots.map((root) => root.number));
    const state: State = {
      format: 1,
      trustDomain: this.#trustDomain,
      lastNumber,
      roots: await Promise.all(
        roots.map(async (root) => ({
          number: root.number,
          phase: root.phase,
          files: await this.#writeRoot(root),
        })),
      ),
    };
    await writeDurably(join(this.#path, STATE_FILE), `${JSON.stringify(state, undefined, 2)}\n`, 0o600);
    this.#roots = roots.toSorted((a, b) => ORDER.indexOf(a.phase) - ORDER.indexOf(b.phase));
    this.#lastNumber = lastNumber;
    await this.#removeOthers(state);
  }

  async #writeRoot(root: StoredRoot): Promise<string[]> {
    const written: string[] = [];
    for (const { name, content, mode } of filesOf(root)) {
      await writeDurably(join(this.#path, name), content, mode);
      written.push(name);
    }
    return written;
  }

  async #removeOthers(state: State): Promise<void> {
    const kept = new Set([STATE_FILE, ...state.roots.flatMap((root) => root.files)]);
    const others = (await readdir(this.#path)).filter((name) => /\.(pem|key)$/.test(name) && !kept.has(name));
    for (const name of others) await rm(join(this.#path, name), { force: true });
    if (others.length > 0) await syncFolder(this.#path);
  }
}

function filesOf(root: StoredRoot): { name: string; content: string; mode: number }[] {
  const pem = (name: string, certificate: Uint8Array) => ({
    name: `${name}.pem`,
    content: pemFromCertificates([certificate]),
    mode: 0o644,
  });
  const key = (name: string, secret: KeyObject) => ({
    name: `${name}.key`,
    content: secret.export({ type: 'pkcs8', format: 'pem' }).toString(),
    mode: 0o600,
  });
  const { number } = root;
  return [
    pem(`root-${number}`, root.certificate),
    key(`root-${number}`, root.key),
    ...(root.intermediate
      ? [
          pem(`intermediate-${number}`, root.intermediate.certificate),
          key(`intermediate-${number}`, root.intermediate.key),
        ]
      : []),
    ...(root.crossSigned ? [pem(`root-${number}-cross-signed`, root.crossSigned)] : []),
  ];
}

async function readState(path: string): Promise<State | undefined> {
  const text = await readIfThere(join(path, STATE_FILE));
  if (text === undefined) return undefined;
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own file, checked below
    const state = JSON.parse(text) as State;
    const numbers = state.roots.map((root) => root.number);
    const active = state.roots.filter((root) => root.phase === 'active').length;
    if (state.format === 1 && active === 1 && numbers.every(Number.isSafeInteger)) return state;
  } catch (error) {
    throw malformed(path, error);
  }
  throw malformed(path);
}

async function readRoot(path: string, number: number, phase: RootPhase): Promise<StoredRoot> {
  try {
    const certificate = async (name: string) => {
      const text = await readIfThere(join(path, `${name}.pem`));
      return text === undefined ? undefined : certificatesFromPem(text)[0];
    };
    const key = async (name: string) => createPrivateKey(await readFile(join(path, `${name}.key`), 'utf8'));
    const root = await certificate(`root-${number}`);
    if (!root) throw malformed(path);
    const intermediate = await certificate(`intermediate-${number}`);
    const crossSigned = await certificate(`root-${number}-cross-signed`);
    return {
      number,
      phase,
      certificate: root,
      key: await key(`root-${number}`),
      ...(intermediate && {
        intermediate: { certificate: intermediate, key: await key(`intermediate-${number}`) },
      }),
      ...defined({ crossSigned }),
    };
  } catch (error) {
    if (error instanceof SimulatedMeshError) throw error;
    throw malformed(path, error);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function malformed(path: string, cause?: unknown): SimulatedMeshError {
  return new SimulatedMeshError(
    'ca-state-malformed',
    `the state of the CA in ${path} could not be read`,
    cause === undefined ? {} : { cause },
  );
}
