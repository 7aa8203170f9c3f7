// How rounds become a figure. Ours and the peer's are taken in turn, so a ratio is made of two values that met the same
// machine; the figure is the median of those ratios, not the ratio of two medians.
import { median } from './rig.mjs';

const range = (values) => [Math.min(...values), Math.max(...values)];

/**
 * @param {number[]} ours one value a round
 * @param {number[]} peers of the same rounds
 * @param {{unit: string, bar?: number, moreIsBetter?: boolean}} about `bar`: largest ratio that is allowed
 */
export function compare(ours, peers, { unit, bar, moreIsBetter = false }) {
  const ratios = ours.map((value, i) => (moreIsBetter ? peers[i] / value : value / peers[i]));
  return {
    value: median(ours),
    unit,
    peer: median(peers),
    ratio: median(ratios),
    ...(bar === undefined ? {} : { bar }),
    rounds: ours.length,
    spread: { value: range(ours), peer: range(peers), ratio: range(ratios) },
  };
}

/** Beside a limit instead of a peer: the ratio is the part of the limit that is used. */
export function against(limit, values, unit) {
  const ratios = values.map((value) => value / limit);
  return {
    value: median(values),
    unit,
    peer: limit,
    ratio: median(ratios),
    bar: 1,
    limit: true,
    rounds: values.length,
    spread: { value: range(values), ratio: range(ratios) },
  };
}

/** For the report only. */
export function report(values, unit) {
  return {
    value: median(values),
    unit,
    peer: null,
    ratio: null,
    rounds: values.length,
    spread: { value: range(values) },
  };
}

/** Whether it holds; `undefined` where there is no bar. */
export function holds({ ratio, bar }) {
  return bar === undefined ? undefined : Number.isFinite(ratio) && ratio <= bar;
}

/** Three significant digits. */
export function round(value) {
  return value === null || value === undefined ? '–' : Number(value.toPrecision(3)).toString();
}

/** `1.02–1.13`, or nothing when there was one round. */
export function spreadOf({ spread, rounds }, what = 'ratio') {
  const [low, high] = spread?.[what] ?? [];
  return low === undefined || rounds === 1 ? '' : `${round(low)}–${round(high)}`;
}
