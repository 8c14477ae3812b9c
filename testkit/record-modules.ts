import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/**
 * Preload (`node --import`) that writes the URL of each module file the process loads to the file in
 * `FEDERATE_TEST_MODULES`, one a line. Modules of Node itself do not count.
 */
const loaded = new Set<string>();
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) loaded.add(url);
    return next(url, context);
  },
});
process.on('exit', () => writeFileSync(process.env['FEDERATE_TEST_MODULES'] ?? '', [...loaded].join('\n')));
