import type { StoreError } from './errors.ts';
import type { NewEvent } from './event.ts';

/** An event that is on the disk, with its bundle version. */
export interface RecordedEvent extends NewEvent {
  readonly versionNumber?: number;
}

/** Receives what an open store reports about its work. A method that throws is a bug. */
export interface StoreObserver {
  /** These events are now on record, in this order. */
  recorded(events: readonly RecordedEvent[]): void;
  /** A transaction was written. */
  wrote(): void;
  /** The file or its disk could not be used. */
  failed(error: StoreError): void;
}
