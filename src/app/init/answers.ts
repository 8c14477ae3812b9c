import { CodedError } from '../../errors/index.ts';

/** The meshes that `federate init` can write a config for. */
export const INIT_MESHES = [
  'files',
  'istio',
  'consul',
  'linkerd',
  'kuma',
  'spire',
  'simulated-istio',
  'simulated-consul',
] as const;
export type InitMesh = (typeof INIT_MESHES)[number];

/**
 * What an operator can say about the new agent. What is left out is asked on a terminal, or chosen
 * with `--yes`.
 */
export interface Answers {
  readonly mesh?: InitMesh;
  readonly trustDomain?: string;
  readonly url?: string;
  readonly listen?: string;
  readonly profile?: 'https_spiffe' | 'https_web';
  /** The chain and the key: of the SVID with `https_spiffe`, of the host's name with `https_web`. */
  readonly certificate?: string;
  readonly key?: string;
  /** The CA above an `https_web` certificate that is not of the public Web PKI. */
  readonly caFile?: string;
  /** The source of the SVID: the address of a Workload API, or the socket of an SDS server. */
  readonly workloadApi?: string;
  readonly sdsSocket?: string;
  /** PEM files with the own roots, for `files`. */
  readonly roots?: readonly string[];
  readonly kubeconfig?: string;
  readonly context?: string;
  /** The base URL of a Consul's HTTP API. */
  readonly consul?: string;
  readonly tokenFile?: string;
  /** The admin socket of a SPIRE server. */
  readonly spireSocket?: string;
  readonly metrics?: string;
}

/**
 * - `init-answers` an answer is missing, or two do not go together
 * - `init-exists` a file that would be written is there already
 * - `init-folder-unusable` the folder cannot be written, or is something else
 * - `init-called-off` the operator ended the questions
 */
export type InitErrorCode = 'init-answers' | 'init-exists' | 'init-folder-unusable' | 'init-called-off';

/** Why `federate init` wrote nothing. */
export class InitError extends CodedError<InitErrorCode> {}

/** A question, for a terminal. */
export interface Question {
  readonly text: string;
  /** What an empty line means. */
  readonly usual?: string;
  /** The words that are accepted; any text without them. */
  readonly choices?: readonly string[];
  /** Throws where the answer cannot be used; the question is asked again. */
  readonly check?: (answer: string) => void;
}

/** Asks the operator. Rejects with `InitError` `init-called-off` when there is no answer any more. */
export type Ask = (question: Question) => Promise<string>;
