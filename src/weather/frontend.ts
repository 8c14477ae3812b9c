import type { ListenAddress } from '../platform/index.ts';
import { call, sendJson, serve, type WeatherService } from './http-service.ts';
import { weatherPage, weatherScript } from './page.ts';

const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/** The frontend: the page, and the backend's answer for it. */
export function startFrontend(options: {
  readonly listen: ListenAddress;
  readonly backendUrl: string;
}): Promise<WeatherService> {
  return serve(options.listen, {
    '/': (_incoming, response) => {
      response
        .writeHead(200, { ...PAGE_HEADERS, 'content-type': 'text/html; charset=utf-8' })
        .end(weatherPage);
    },
    '/page.js': (_incoming, response) => {
      response
        .writeHead(200, { ...PAGE_HEADERS, 'content-type': 'text/javascript; charset=utf-8' })
        .end(weatherScript);
    },
    '/healthz': (_incoming, response) => sendJson(response, 200, { ok: true }),
    '/api/weather': async (_incoming, response) => {
      const { status, body } = await call(new URL('/weather', options.backendUrl).href);
      sendJson(response, status === 200 ? 200 : 502, body);
    },
  });
}
