import { expect, it } from 'vitest';
import { viewOfFailure } from '../../src/demonstration/weather/page-view.ts';

it.each([
  ['the backend is gone', 'The backend is gone.'],
  ['gone', 'Gone.'],
  ['info.consul.federated is withdrawn', 'info.consul.federated is withdrawn.'],
  ['spiffe://a.example/b is refused.', 'spiffe://a.example/b is refused.'],
])('the page makes a sentence of %j, and leaves names as they are', (message, sentence) => {
  expect(viewOfFailure('code', message).remark.text).toBe(sentence);
});
