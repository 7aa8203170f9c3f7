// Thirty days of token renewals, health messages and some use of the API on a clock that the bench moves: what a day costs
// in the first week and in the last.
import { compare } from '../lib/figure.mjs';
import { lines } from '../lib/plot.mjs';
import { Rig } from '../lib/rig.mjs';
import { openSoak } from '../lib/soak.mjs';

const WEEK = 7;

function drawing(days) {
  const points = (what) => days.map((day, index) => [index + 1, day[what]]);
  const panel = (y, what) => ({ y, series: [{ name: what, points: points(what) }] });
  return lines({
    title: 'Thirty days of the agent: 30 renewals, 300 messages and 50 calls a day',
    x: 'simulated day',
    panels: [
      panel('CPU time, ms a day', 'cpu'),
      panel('heap after a collection, MiB', 'heapMiB'),
      panel('objects on the heap', 'objects'),
      panel('timers', 'timers'),
    ],
  });
}

export async function run({ quick, draw }) {
  const rig = new Rig();
  let soak;
  try {
    soak = await openSoak(rig, await rig.emulator());
    const days = [];
    while (days.length < (quick ? 2 * WEEK : 30)) days.push(await soak.day());
    draw('soak-days', drawing(days));
    const most = (values) => [Math.max(...values)];
    const weeks = (what) =>
      [days.slice(-WEEK), days.slice(0, WEEK)].map((week) => week.map((day) => day[what]));
    return {
      'soak.cpuPerDay': compare(...weeks('cpu'), { unit: 'ms', bar: 1.1 }),
      'soak.heap': compare(...weeks('heapMiB'), { unit: 'MiB', bar: 1.05 }),
      'soak.objects': compare(...weeks('objects'), { unit: 'objects', bar: 1.05 }),
      'soak.timers': compare(...weeks('timers').map(most), { unit: 'timers', bar: 1.5 }),
    };
  } finally {
    await soak?.agent.close();
    await rig.close();
  }
}
