import { PATIENCE_MS, slowness } from './patience.ts';

/** Says at the start of `npm test` how long it usually takes here, so that nobody waits without a word. */

/** What all tests took on two idle cores, in minutes. */
const USUAL_MINUTES = 5;

const minutes = Math.ceil(USUAL_MINUTES * slowness);
const usually = `The tests usually take ${USUAL_MINUTES} minutes on two idle cores.`;
const here =
  slowness < 1.5
    ? ''
    : ` This machine is busy or slow now (${slowness.toFixed(1)} times slower): they may take up to ${minutes} minutes.`;
process.stdout.write(
  `${usually}${here}\nA test waits up to ${Math.round(PATIENCE_MS / 1000)} s for a condition.\n`,
);
