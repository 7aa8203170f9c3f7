// What is left of 100,000 messages, 10,000 token renewals (both on a clock that the bench moves: most of a year) and 100,000
// calls of the API: PSS when nothing has moved for two seconds after a forced collection, less the same when the agent had
// been connected for a minute. From a first start, which registers, and from a later one, which knows its hub.
import { against, compare, report } from '../lib/figure.mjs';
import { lines } from '../lib/plot.mjs';
import { Rig } from '../lib/rig.mjs';
import { DAY_MS, TELEMETRY_SEC, openSoak } from '../lib/soak.mjs';

const GROWTH_LIMIT_MIB = 3;
const STEP_DAYS = 30;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const total = ({ pss }) => pss;
const anonymous = (one) => one.anonymous;
const messages = (days) => (days * DAY_MS) / 1000 / TELEMETRY_SEC;

/** @returns memory by day, the last after the calls, and the tokens that were renewed */
async function life(wanted, later) {
  const rig = new Rig();
  let soak;
  try {
    soak = await openSoak(rig, await rig.emulator());
    if (later) await soak.restart();
    await soak.ask(`pass ${MINUTE_MS}`);
    const points = [{ days: 0, ...(await soak.memory()) }];
    let [tokens, days] = [0, 0];
    while (tokens < wanted.renewals || messages(days) < wanted.messages) {
      await soak.ask(`pass ${STEP_DAYS * DAY_MS}`);
      days += STEP_DAYS;
      ({ tokens } = await soak.counters());
      points.push({ days, ...(await soak.memory()) });
    }
    await soak.calls(wanted.calls);
    // By then the agent has given back what the calls had left free.
    await soak.ask(`pass ${HOUR_MS}`);
    points.push({ days: days + STEP_DAYS, ...(await soak.memory()) });
    return { points, tokens, days };
  } finally {
    await soak?.agent.close();
    await rig.close();
  }
}

export async function run({ quick, draw }) {
  const wanted = quick
    ? { messages: 8000, renewals: 800, calls: 8000 }
    : { messages: 100_000, renewals: 10_000, calls: 100_000 };
  const first = await life(wanted, false);
  const later = await life(wanted, true);
  const series = (name, { points }, of) => ({ name, points: points.map((one) => [one.days, of(one)]) });
  const both = (y, of) => ({
    y,
    series: [series('from a first start', first, of), series('from a later start', later, of)],
  });
  draw(
    'load-memory',
    lines({
      title: 'Memory over 30 renewals and 300 messages a day; at the end, 100,000 calls of the API',
      x: 'simulated days',
      panels: [both('PSS after a collection, MiB', total), both('of these, anonymous, MiB', anonymous)],
    }),
  );
  const ends = ({ points }, of) => [of(points.at(-1)), of(points[0])];
  const growth = (one, of) => ends(one, of).reduce((after, before) => after - before);
  const [after, before] = ends(first, total);
  return {
    'load.memoryGrowth': against(GROWTH_LIMIT_MIB, [growth(first, total)], 'MiB PSS'),
    'load.memory': compare([after], [before], { unit: 'MiB PSS' }),
    'load.later.anonymousGrowth': report([growth(later, anonymous)], 'MiB'),
    'load.later.memoryGrowth': report([growth(later, total)], 'MiB PSS'),
    'load.renewals': report([Math.min(first.tokens, later.tokens)], 'tokens'),
    'load.messages': report([Math.floor(messages(Math.min(first.days, later.days)))], 'messages'),
  };
}
