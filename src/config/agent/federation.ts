import { z } from 'zod';
import { addressRange, duration, size } from '../fields.ts';
import { proxy } from './proxy.ts';

/** `federation` of an agent: how peers are polled. */
export const federation = z.strictObject({
  default_poll: duration().prefault('5m').describe('Interval for a peer without a refresh hint (TDB-13).'),
  minimum_poll: duration()
    .prefault('5s')
    .describe('Shortest time between two polls of a peer, whatever its hint.'),
  maximum_poll: duration()
    .prefault('1h')
    .describe('Longest time between two polls of a peer, whatever its hint.'),
  max_polls_in_flight: z
    .int()
    .min(1)
    .default(64)
    .describe(
      'Polls at once; one per peer at most. Those that wait long for an endpoint are counted apart, up to eight times as many.',
    ),
  connect_timeout: duration().prefault('5s').describe('Longest wait for a connection and its handshake.'),
  total_timeout: duration().prefault('15s').describe('Longest time for a whole poll, redirects included.'),
  hold: duration()
    .refine((ms) => ms <= 3_600_000, 'a request is held for at most an hour')
    .prefault('5m')
    .describe(
      'How long a request is held at a peer that answers when its bundle changes (`Prefer: wait`); `0s` turns it off.',
    ),
  max_held: z
    .int()
    .min(0)
    .default(256)
    .describe('Requests held at once, over all peers; peers beyond that are only polled.'),
  forbidden_addresses: z
    .array(addressRange())
    .default([])
    .describe(
      'Ranges that the agent never connects to, in CIDR notation: `10.0.0.0/8`. This holds for every peer, invitation and redirect, and for IPv6 addresses that lead to an IPv4 address in them (mapped, NAT64, 6to4, Teredo, ISATAP). The addresses at which clouds hand out credentials are always forbidden.',
    ),
  overlap_lead: duration()
    .prefault('1d')
    .describe(
      'For an `https_web` peer: how long a root or JWT key is held before it counts as an overlap, and never less than three refresh hints. An offer without such a key waits for `federate review` as a takeover would.',
    ),
  strict_key_usage: z
    .boolean()
    .default(false)
    .describe(
      'Refuses X509-SVIDs of peers whose key usage is missing or not critical (X509-11). Without it they are accepted, logged, and counted in `federate_svid_warnings_total`.',
    ),
  proxy: proxy
    .optional()
    .describe(
      'An HTTP proxy (CONNECT) for every connection to bundle endpoints of others. Endpoints are verified as without it. Variables such as `HTTPS_PROXY` are not used.',
    ),
  max_document: size().prefault('1MiB').describe('Largest bundle document that is read.'),
  max_redirects: z
    .int()
    .min(0)
    .max(5)
    .default(5)
    .describe('Redirects followed in one poll; 0 turns them off.'),
});
