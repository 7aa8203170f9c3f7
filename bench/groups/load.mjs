// What is left of 100,000 messages, 10,000 token renewals (both on a clock that the bench moves: most of a year) and 100,000
// calls of the API: PSS when nothing has moved for two seconds after a forced collection, less the same before.
import { against, compare, report } from '../lib/figure.mjs';
import { lines } from '../lib/plot.mjs';
import { Rig } from '../lib/rig.mjs';
import { DAY_MS, TELEMETRY_SEC, openSoak } from '../lib/soak.mjs';

const GROWTH_LIMIT_MIB = 3;
const STEP_DAYS = 30;

export async function run({ quick, draw }) {
  const rig = new Rig();
  const wanted = quick
    ? { messages: 8000, renewals: 800, calls: 8000 }
    : { messages: 100_000, renewals: 10_000, calls: 100_000 };
  let soak;
  try {
    soak = await openSoak(rig, await rig.emulator());
    await soak.ask('pass 60000');
    const before = await soak.pss();
    const points = [[0, before]];
    let [tokens, days] = [0, 0];
    const messages = () => (days * DAY_MS) / 1000 / TELEMETRY_SEC;
    while (tokens < wanted.renewals || messages() < wanted.messages) {
      await soak.ask(`pass ${STEP_DAYS * DAY_MS}`);
      days += STEP_DAYS;
      ({ tokens } = await soak.counters());
      points.push([days, await soak.pss()]);
    }
    await soak.calls(wanted.calls);
    const after = await soak.pss();
    points.push([days + STEP_DAYS, after]);
    draw(
      'load-memory',
      lines({
        title: 'PSS over 30 renewals and 300 messages a day; at the end, 100,000 calls of the API',
        x: 'simulated days',
        panels: [{ y: 'PSS after a collection, MiB', series: [{ name: 'agent', points }] }],
      }),
    );
    return {
      'load.memoryGrowth': against(GROWTH_LIMIT_MIB, [after - before], 'MiB PSS'),
      'load.memory': compare([after], [before], { unit: 'MiB PSS' }),
      'load.renewals': report([tokens], 'tokens'),
      'load.messages': report([Math.floor(messages())], 'messages'),
    };
  } finally {
    await soak?.agent.close();
    await rig.close();
  }
}
