import { isMapping } from '../../objects/index.ts';
import type { CallAnswer } from './http-service.ts';
import type { PlaceWeather } from './sample-weather.ts';

/** The content of the page, as sentences for people. */
export interface PageView {
  readonly places: readonly {
    readonly symbol: string;
    readonly place: string;
    readonly degrees: string;
    readonly wind: string;
  }[];
  readonly remark: {
    readonly good: boolean;
    readonly title: string;
    readonly text: string;
    readonly fine: string;
  };
}

const SYMBOLS: Readonly<Record<string, string>> = { sunny: '☀️', cloudy: '☁️', rain: '☂️', snow: '❄️' };

/** The view of a backend's answer: the weather, and the remark or the reason why it is missing. */
export function viewOf({ status, body }: CallAnswer): PageView {
  if (status !== 200) return viewOfFailure(textOf(body['code']), textOf(body['message']));
  const { weather, remark, remarkMissing } = body;
  const places = (Array.isArray(weather) ? weather : []).filter(isPlace).map(viewOfPlace);
  if (isMapping(remark))
    return {
      places,
      remark: {
        good: true,
        title: 'Remark from the info service',
        text: sentence(textOf(remark['text'])),
        fine: `The info service was called by ${textOf(remark['caller'])}`,
      },
    };
  const reason = isMapping(remarkMissing) ? remarkMissing : {};
  return {
    places,
    remark: {
      good: false,
      title: 'No remark: the info service cannot be called',
      text: sentence(textOf(reason['message'])),
      fine: `Reason: ${textOf(reason['code'])}`,
    },
  };
}

/** The view where the backend itself did not answer. */
export function viewOfFailure(code: string, message: string): PageView {
  return {
    places: [],
    remark: {
      good: false,
      title: 'The backend cannot be called',
      text: sentence(message),
      fine: `Reason: ${code}`,
    },
  };
}

function viewOfPlace({ place, sky, celsius, wind_kmh: wind }: PlaceWeather): PageView['places'][number] {
  return {
    symbol: SYMBOLS[sky] ?? '',
    place,
    degrees: `${celsius} °C`,
    wind: sentence(sky).replace(/\.$/, `, wind ${wind} km/h`),
  };
}

function isPlace(value: unknown): value is PlaceWeather {
  return (
    isMapping(value) &&
    typeof value['place'] === 'string' &&
    typeof value['sky'] === 'string' &&
    typeof value['celsius'] === 'number' &&
    typeof value['wind_kmh'] === 'number'
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : 'unknown';
}

/**
 * Turns an error message into a sentence: a capital first letter, where it does not begin with a host
 * name, and a full stop.
 */
function sentence(text: string): string {
  const capital = /^[a-z]+(?:[ ,;]|\.? ?$|\. )/.test(text)
    ? text.slice(0, 1).toUpperCase() + text.slice(1)
    : text;
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
