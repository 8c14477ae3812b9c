import { defined, given } from '../../objects/index.ts';
import { type ImportReport, importReportClaim, readImportReport } from '../../services/index.ts';
import {
  type JsonObject,
  type JsonValue,
  instantOfClaim,
  isDigest,
  isJsonObject,
} from '../../spiffe/index.ts';

/**
 * The request header in which a poll identifies its agent and what that holds of the polled trust
 * domain.
 */
export const HOLDING_HEADER = 'federate-holding';
export const HOLDING_TYPE = 'federate-holding+jws';
/** A longer one is left out, and not looked at: servers limit what headers may have together. */
export const MAX_HOLDING_CHARACTERS = 6144;

/** How far a bundle came in the mesh of the agent that holds it. */
export type MeshProgress = 'written' | 'accepted' | 'in-effect';

/** What an agent reports to hold of another trust domain's bundle. */
export interface Holding {
  /** `contentDigest`. */
  readonly digest: string;
  readonly sequence?: bigint;
  readonly since: Date;
  /** How far it came in the holder's mesh, and since when; absent before that. */
  readonly inMesh?: { readonly progress: MeshProgress; readonly since: Date };
  /** What it imports of the other's services; absent where it has no catalogue. */
  readonly imports?: ImportReport;
}

const PROGRESS: readonly JsonValue[] = ['written', 'accepted', 'in-effect'] satisfies MeshProgress[];

/** The claims of a `federate-holding+jws` statement. */
export function holdingClaims({
  digest,
  sequence,
  since,
  inMesh,
  imports,
}: Holding): Record<string, unknown> {
  return {
    holds: {
      digest,
      sequence: sequence?.toString() ?? null,
      since: since.toISOString(),
      in_mesh: inMesh ? { progress: inMesh.progress, since: inMesh.since.toISOString() } : null,
    },
    ...(imports ? { exports: importReportClaim(imports) } : {}),
  };
}

/**
 * Reads such a statement; undefined where it has another form. A report about imports that cannot be
 * read is left out: what is held counts without it.
 */
export function readHolding(claims: JsonObject): Holding | undefined {
  const holds = claims.get('holds');
  if (!isJsonObject(holds)) return undefined;
  const digest = holds.get('digest');
  const sequence = holds.get('sequence');
  const since = instantOfClaim(holds.get('since'));
  const mesh = holds.get('in_mesh');
  if (!isDigest(digest) || !since) return undefined;
  if (sequence !== null && (typeof sequence !== 'string' || !/^\d{1,20}$/.test(sequence))) return undefined;
  const inMesh = mesh === null ? undefined : readProgress(mesh);
  if (mesh !== null && !inMesh) return undefined;
  return {
    digest,
    since,
    ...defined({ sequence: given(sequence, BigInt) }),
    ...defined({ inMesh, imports: readImportReport(claims.get('exports')) }),
  };
}

function readProgress(value: JsonValue | undefined): Holding['inMesh'] {
  if (!isJsonObject(value)) return undefined;
  const progress = value.get('progress');
  const since = instantOfClaim(value.get('since'));
  if (!since || !isProgress(progress)) return undefined;
  return { progress, since };
}

function isProgress(value: JsonValue | undefined): value is MeshProgress {
  return value !== undefined && PROGRESS.includes(value);
}
