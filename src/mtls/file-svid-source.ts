import { stat } from 'node:fs/promises';
import { messageOf } from '../errors/index.ts';
import { type Clock, Listeners, type Log, readRegularText, watchFiles } from '../platform/index.ts';
import { parseCertificate } from '../spiffe/index.ts';
import { MtlsError } from './errors.ts';
import { type Svid, type SvidSource, svidFromPem } from './svid.ts';

/** How often the files are checked. */
const LOOK_EVERY_MS = 2000;
/** Larger than any chain or key. */
const MAX_FILE_BYTES = 256 * 1024;
const OTHERS_MAY = 0o007;

/**
 * An SVID in files that another program renews. It is read again when the files change; a bad pair
 * leaves the last good one.
 */
export interface FileSvidSource extends SvidSource {
  /**
   * Reads the files and watches them from then on. Rejects with `MtlsError` `svid-invalid` when
   * they cannot be used.
   */
  start(): Promise<void>;
  /** Why the last reading of the files failed. The SVID before it is still the current one. */
  problem(): MtlsError | undefined;
  stop(): Promise<void>;
}

/**
 * An SVID from files; there is none before `start`. Logs a warning for a key file that every user
 * of the machine can read.
 */
export function createFileSvidSource(options: {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly clock: Clock;
  readonly log: Log;
}): FileSvidSource {
  const { certificateFile, keyFile, clock, log } = options;
  const listeners = new Listeners();
  const stopping = new AbortController();
  let current: Svid | undefined;
  let watching: Promise<void> | undefined;
  let problem: MtlsError | undefined;
  const look = async () => {
    let found: Svid;
    try {
      found = await readSvid(certificateFile, keyFile, log);
    } catch (error) {
      problem = error instanceof MtlsError ? error : new MtlsError('svid-invalid', String(error));
      // Often only one of the two files is new. The next check finds both.
      log.warn('SVID files not usable, the last SVID stays', { error });
      return;
    }
    const now = clock.now();
    const why = whyNotValid(found, now);
    if (current && why !== undefined && !isSame(current, found) && whyNotValid(current, now) === undefined) {
      problem = new MtlsError(
        'svid-invalid',
        `the SVID in ${certificateFile} ${why}, and the last one is valid`,
      );
      log.warn('SVID files not usable, the last SVID stays', { error: problem });
      return;
    }
    problem = undefined;
    if (current && isSame(current, found)) return;
    current = found;
    log.info('SVID renewed', { id: found.id, not_after: found.notAfter });
    listeners.notify();
  };
  return {
    start: async () => {
      current = await readSvid(certificateFile, keyFile, log);
      const paths = [certificateFile, keyFile];
      watching = watchFiles({ paths, everyMs: LOOK_EVERY_MS, clock, signal: stopping.signal, look });
      listeners.notify();
    },
    current: () => current,
    onChange: listeners.add,
    problem: () => problem,
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}

function whyNotValid({ notAfter, certificateChain: [leaf] }: Svid, now: Date): string | undefined {
  if (notAfter <= now) return `ended at ${notAfter.toISOString()}`;
  const notBefore = leaf && parseCertificate(leaf).notBefore;
  return notBefore && notBefore > now
    ? `begins at ${notBefore.toISOString()}, and now is ${now.toISOString()}: do the clocks agree?`
    : undefined;
}

/** Because a key fits only its certificate, the chain shows whether it is the same SVID. */
function isSame(a: Svid, b: Svid): boolean {
  return Buffer.concat(a.certificateChain).equals(Buffer.concat(b.certificateChain));
}

async function readSvid(certificateFile: string, keyFile: string, log: Log): Promise<Svid> {
  try {
    const [chain, key] = await Promise.all([
      readRegularText(certificateFile, MAX_FILE_BYTES),
      readRegularText(keyFile, MAX_FILE_BYTES),
    ]);
    const svid = svidFromPem(chain, key);
    await warnOfMode(keyFile, log);
    return svid;
  } catch (cause) {
    if (cause instanceof MtlsError)
      throw new MtlsError('svid-invalid', `the SVID in ${certificateFile} cannot be used: ${cause.message}`, {
        cause,
      });
    const why = messageOf(cause);
    throw new MtlsError('svid-invalid', `reading the SVID failed: ${why}`, { cause });
  }
}

/** Only warns, because mounts often choose the mode, and a new SVID must not be lost for it. */
async function warnOfMode(keyFile: string, log: Log): Promise<void> {
  const { mode } = await stat(keyFile);
  if ((mode & OTHERS_MAY) === 0) return;
  log.warn('the private key can be read by every user of this machine', {
    file: keyFile,
    mode: (mode & 0o777).toString(8),
  });
}
