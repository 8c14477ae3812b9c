/**
 * The machine's services: time, randomness, durable files, and the interfaces of the log and the
 * metrics. Callers receive them as parameters; only `app` picks the real ones.
 */
export { addressGroup } from './address-group.ts';
export { clearCallerProofs, offerCallerProof, provedCaller } from './caller-proof.ts';
export { backgroundClock, type Clock, systemClock } from './clock.ts';
export { closest, didYouMean } from './closest.ts';
export { createMetrics } from './create-metrics.ts';
export { syncFolder, writeDurably } from './durable-file.ts';
export { formatDurationMs, parseDurationMs, parseSizeBytes } from './duration.ts';
export { tuneForLoad } from './engine-tuning.ts';
export { answerHealth, type NotReady } from './health.ts';
export { installation } from './installation.ts';
export {
  callHttp,
  type HttpAnswer,
  type HttpConnection,
  HttpError,
  type HttpRequest,
  openHttp,
  readHttpBody,
} from './http-request.ts';
export { parseInstant } from './instant.ts';
export { createJsonLog, type JsonLog } from './json-log.ts';
export { keepSocket } from './keep-socket.ts';
export { KeyedCounts } from './keyed-counts.ts';
export { addressOf, canListen, closeAtOnce, type ListenAddress, listenOn } from './listen.ts';
export { type LoadSource, overloadSentence, slowdownOf, systemLoad } from './machine-load.ts';
export { Listeners } from './listeners.ts';
export { createLocalNames, type LocalNames } from './local-names.ts';
export { describeError, type Log, type LogFields, type LogLevel, silentLog } from './log.ts';
export type { Metrics } from './metrics.ts';
export { pause } from './pause.ts';
export { printable, printableData, printableJson, printableLines } from './printable.ts';
export { type Random, systemRandom } from './random.ts';
export {
  readRegularFile,
  readRegularFileSync,
  readRegularText,
  readToEndSync,
  RegularFileError,
} from './regular-file.ts';
export { readSecretText, refuseOpenMode, SecretFileError } from './secret-file.ts';
export { smallestFirst } from './smallest-first.ts';
export { TokenBucket, type TokenBucketSettings } from './token-bucket.ts';
export { fileMarks, watchFiles } from './watch-file.ts';
export { listenOnUnixSocket } from './unix-socket.ts';
export { Turns } from './turns.ts';
export { commit, version, versionLine } from './version.ts';
export { createMetricsServer } from './metrics-server.ts';
export { type Part, partOf, Parts, type RunningPart } from './parts.ts';
export { type Environment, systemEnvironment, type ProcessContext } from './process-context.ts';
export { within } from './within.ts';
