import type { IncomingHttpHeaders } from 'node:http';
import type { Random } from '../../../platform/index.ts';

/** The place of one request in a trace (W3C Trace Context). */
export interface TraceContext {
  /** 32 hexadecimal digits, the same for the whole trace. */
  readonly traceId: string;
  /** 16 hexadecimal digits: this hop. */
  readonly spanId: string;
  /** The hop before; undefined where the trace starts here. */
  readonly parentId: string | undefined;
  /** Two hexadecimal digits. */
  readonly flags: string;
  /** What the tracing systems before us noted, passed on as it came. */
  readonly state: string | undefined;
}

/** Version, trace ID, parent ID, flags; a version after 00 may append more. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NOTHING = /^0+$/;
/** Sampled, and random trace ID. Unknown flags are cleared (§3.2.2.5). */
const KNOWN_FLAGS = 0x03;
/** A trace that starts here is recorded, with a random ID. */
const STARTED_FLAGS = '03';

const MAX_MEMBERS = 32;
const MAX_STATE_LENGTH = 4096;
const MEMBER =
  /^[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * Continues the trace that the headers name, with a new ID for this hop. Starts a trace where they
 * name none, or one that is malformed: then `tracestate` is dropped too (§3.3).
 */
export function continueTrace(headers: IncomingHttpHeaders, random: Random): TraceContext {
  const spanId = newId(random, 8);
  const parent = parseTraceparent(headers['traceparent']);
  if (!parent)
    return {
      traceId: newId(random, 16),
      spanId,
      parentId: undefined,
      flags: STARTED_FLAGS,
      state: undefined,
    };
  return { ...parent, spanId, state: wellFormedState(headers['tracestate']) };
}

/** The headers of this hop; undefined removes a header. */
export function traceHeaders({ traceId, spanId, flags, state }: TraceContext) {
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: state };
}

function parseTraceparent(
  header: string | readonly string[] | undefined,
): Pick<TraceContext, 'traceId' | 'parentId' | 'flags'> | undefined {
  if (typeof header !== 'string') return undefined;
  const [, version = 'ff', traceId = '', parentId = '', flags = '', rest] = TRACEPARENT.exec(header) ?? [];
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (NOTHING.test(traceId) || NOTHING.test(parentId)) return undefined;
  const known = Number.parseInt(flags, 16) & KNOWN_FLAGS;
  return { traceId, parentId, flags: known.toString(16).padStart(2, '0') };
}

function wellFormedState(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = String(header);
  if (text.length > MAX_STATE_LENGTH) return undefined;
  const members = text
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
  const names = new Set(members.map((member) => member.split('=', 1)[0]));
  const isWellFormed =
    members.length > 0 &&
    members.length <= MAX_MEMBERS &&
    names.size === members.length &&
    members.every((member) => MEMBER.test(member));
  return isWellFormed ? members.join(',') : undefined;
}

/** Hexadecimal digits of random bytes that are not all zero. */
function newId(random: Random, bytes: number): string {
  const id = Buffer.from(random.bytes(bytes)).toString('hex');
  return NOTHING.test(id) ? `${id.slice(1)}1` : id;
}
