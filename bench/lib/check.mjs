// Ratios of this run beside those of bench/baseline.json.
import { round } from './figure.mjs';

/** @param {{tolerance: number, ratios: Record<string, number>}} baseline @returns whether all of them hold */
export function compareWithBaseline(results, { tolerance, ratios }) {
  const measured = Object.entries(ratios).filter(([name]) => results[name] !== undefined);
  // A comparison of nothing with nothing would always hold.
  if (measured.length === 0) throw new Error('none of the groups that ran is in bench/baseline.json');
  const worse = measured.filter(([name, ratio]) => !(results[name].ratio <= ratio * tolerance));
  for (const [name, ratio] of worse) {
    console.error(
      `${name}: ratio ${round(results[name].ratio)}, baseline ${ratio}, tolerance × ${tolerance}`,
    );
  }
  console.log(`baseline: ${measured.length - worse.length} of ${measured.length} ratios hold`);
  return worse.length === 0;
}
