import { isJsonObject, JsonNumber, type JsonValue } from '../../spiffe/index.ts';
import { isDnsLabel, isHostName } from '../service/host-name.ts';
import { isServiceId } from '../service/service.ts';

/** What an importer reports to an owner about the owner's services. */
export interface ImportReport {
  /** The sequence of the catalogue that it holds. */
  readonly sequence: number;
  /** IDs of the services that it uses. */
  readonly imported: readonly string[];
  /** Imports that cannot be used there, each with a code. */
  readonly refused: readonly { readonly id: string; readonly code: string }[];
  /** The SNI that its mesh sends, by `<service>/<port>`, where the mesh computes one. */
  readonly wantedSni: ReadonlyMap<string, string>;
  /** Whether there was no room for everything. */
  readonly isPartial: boolean;
}

/** More entries than a statement has room for. */
const MOST = 1000;
const CODE = /^[a-z][a-z0-9-]{0,63}$/;

/** The claim `exports` of a holding statement. */
export function importReportClaim(report: ImportReport): Record<string, unknown> {
  const { sequence, imported, refused, wantedSni, isPartial } = report;
  return {
    sequence,
    imported: imported.toSorted(),
    refused: refused.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map(({ id, code }) => ({ id, code })),
    wanted_sni: Object.fromEntries([...wantedSni].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    ...(isPartial ? { partial: true } : {}),
  };
}

/** The same report with less and less in it, for a statement without room for all of it. */
export function shorterReports(report: ImportReport): readonly ImportReport[] {
  const cut = { ...report, isPartial: true };
  const none = { ...cut, refused: [], imported: [] };
  return [report, { ...cut, refused: [] }, none, { ...none, wantedSni: new Map() }];
}

/** Reads such a claim; undefined where it has another form. */
export function readImportReport(value: JsonValue | undefined): ImportReport | undefined {
  if (!isJsonObject(value)) return undefined;
  const number = value.get('sequence');
  const sequence = number instanceof JsonNumber ? number.integer : undefined;
  const [imported, refused, wanted] = [value.get('imported'), value.get('refused'), value.get('wanted_sni')];
  if (sequence === undefined || sequence < 0n || sequence > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  if (!isList(imported) || !imported.every(isId) || !isList(refused)) return undefined;
  const refusals = refused.map(readRefusal);
  if (!refusals.every((each) => each !== undefined)) return undefined;
  if (!isJsonObject(wanted) || wanted.size > MOST) return undefined;
  const wantedSni = new Map<string, string>();
  for (const [key, sni] of wanted) {
    const [id = '', port = '', ...rest] = key.split('/');
    if (!isId(id) || !isDnsLabel(port) || rest.length > 0) return undefined;
    if (typeof sni !== 'string' || !isHostName(sni)) return undefined;
    wantedSni.set(key, sni);
  }
  return {
    sequence: Number(sequence),
    imported,
    refused: refusals,
    wantedSni,
    isPartial: value.get('partial') === true,
  };
}

function readRefusal(value: JsonValue): { readonly id: string; readonly code: string } | undefined {
  if (!isJsonObject(value)) return undefined;
  const [id, code] = [value.get('id'), value.get('code')];
  return isId(id) && typeof code === 'string' && CODE.test(code) ? { id, code } : undefined;
}

function isId(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && isServiceId(value);
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value) && value.length <= MOST;
}
