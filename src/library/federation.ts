/**
 * `federate/federation`: fetches and watches the bundles of other trust domains, over `https_web`
 * and `https_spiffe` (SPIFFE Federation §5). Importing it changes nothing.
 */
export {
  type BundleEndpoint,
  fetchBundle,
  type FetchBundleOptions,
  type SpiffeBundleEndpoint,
  type WebBundleEndpoint,
} from './federation/fetch-bundle.ts';
export {
  watchBundle,
  type WatchBundleOptions,
  WatchError,
  type WatchErrorCode,
} from './federation/watch-bundle.ts';
export {
  FetchError,
  type FetchErrorCode,
  type FetchLimits,
  type FetchTrace,
  type RedirectSettings,
  type ScheduleSettings,
  type TheirReport,
} from '../federation/index.ts';
