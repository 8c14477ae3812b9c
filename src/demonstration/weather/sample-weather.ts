/** The weather of one place, from fixed sample data: the demonstration calls no outside service. */
export interface PlaceWeather {
  readonly place: string;
  readonly sky: 'sunny' | 'cloudy' | 'rain' | 'snow';
  readonly celsius: number;
  readonly wind_kmh: number;
}

export const sampleWeather: readonly PlaceWeather[] = [
  { place: 'Lisbon', sky: 'sunny', celsius: 21, wind_kmh: 14 },
  { place: 'Hamburg', sky: 'rain', celsius: 9, wind_kmh: 31 },
  { place: 'Oslo', sky: 'snow', celsius: -4, wind_kmh: 8 },
  { place: 'Nairobi', sky: 'cloudy', celsius: 24, wind_kmh: 11 },
];
