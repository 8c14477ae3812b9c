import { CodedError } from '../../errors/index.ts';
import type { ListenAddress } from '../../platform/index.ts';
import {
  type CallAnswer,
  call,
  CALL_TIMEOUT_MS,
  sendJson,
  serve,
  type WeatherService,
} from './http-service.ts';
import { pageScript, renderPage } from './page.ts';
import { type PageView, viewOf, viewOfFailure } from './page-view.ts';

const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/** The backend needs this long for the info service, and its own answer must still arrive. */
const BACKEND_TIMEOUT_MS = CALL_TIMEOUT_MS + 1000;

/**
 * The frontend: the page with the backend's answer in it, and the answer itself at `/api/weather`.
 */
export function startFrontend(options: {
  readonly listen: ListenAddress;
  readonly backendUrl: string;
  /** How long the page waits for the backend before it reports that none answered. */
  readonly timeoutMs?: number;
}): Promise<WeatherService> {
  const { timeoutMs = BACKEND_TIMEOUT_MS } = options;
  const askBackend = () => call(new URL('/weather', options.backendUrl).href, timeoutMs);
  return serve(options.listen, {
    '/': async (_incoming, response) => {
      const page = renderPage(await viewFrom(askBackend));
      response.writeHead(200, { ...PAGE_HEADERS, 'content-type': 'text/html; charset=utf-8' }).end(page);
    },
    '/page.js': (_incoming, response) => {
      response
        .writeHead(200, { ...PAGE_HEADERS, 'content-type': 'text/javascript; charset=utf-8' })
        .end(pageScript);
    },
    '/healthz': (_incoming, response) => sendJson(response, 200, { ok: true }),
    '/api/weather': async (_incoming, response) => {
      const { status, body } = await askBackend();
      sendJson(response, status === 200 ? 200 : 502, body);
    },
  });
}

/** The page never fails: where the backend does not answer in time, the page shows that. */
async function viewFrom(askBackend: () => Promise<CallAnswer>): Promise<PageView> {
  try {
    return viewOf(await askBackend());
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return viewOfFailure(error.code, error.message);
  }
}
