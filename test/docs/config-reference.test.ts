import { expect, it } from 'vitest';
import { renderConfigReference } from '../../tools/config-reference/render.ts';

it('docs/config.md is what the config schemas say (npm run docs writes it)', async () => {
  await expect(renderConfigReference()).toMatchFileSnapshot('../../docs/config.md');
});
