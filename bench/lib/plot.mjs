// SVG without a dependency: the ratios of one group as dots on a logarithmic axis, and lines over time.
import { holds, round } from './figure.mjs';

const WIDTH = 820;
const COLOURS = ['#2f6ea5', '#b5483c', '#3c8d5a', '#8a5fa8'];

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const text = (x, y, content, more = '') => `<text x="${x}" y="${y}" ${more}>${escape(content)}</text>`;
const line = (x1, y1, x2, y2, more) => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${more}/>`;

function page(height, title, parts) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12" fill="#222">` +
    `<rect width="100%" height="100%" fill="#fff"/>${text(16, 24, title, 'font-size="15"')}\n${parts.join('\n')}\n</svg>\n`
  );
}

/** 1, 2 and 5 times powers of ten between two numbers. */
function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const digit of [1, 2, 5]) ticks.push(digit * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** The ratios of one group: a dot for the median, a line from the lowest to the highest round, a mark for the bar. */
export function plot(group, figures) {
  const rows = Object.entries(figures).filter(([, { ratio }]) => Number.isFinite(ratio) && ratio > 0);
  const [left, right, top, step] = [250, 90, 62, 30];
  const all = rows.flatMap(([, { ratio, bar, spread }]) => [ratio, bar ?? 1, ...(spread?.ratio ?? [])]);
  const positive = [1, ...all].filter((value) => value > 0);
  const [low, high] = [Math.min(...positive) / 1.25, Math.max(...positive) * 1.25];
  const scale = (WIDTH - left - right) / Math.log(high / low);
  const x = (ratio) => Math.round((left + Math.log(Math.max(ratio, low) / low) * scale) * 10) / 10;
  const height = top + rows.length * step + 40;
  const bottom = height - 34;
  const grid = logTicks(low, high).map(
    (tick) =>
      line(x(tick), top - 14, x(tick), bottom, `stroke="${tick === 1 ? '#888' : '#e4e4e4'}"`) +
      text(x(tick), bottom + 14, round(tick), 'text-anchor="middle" fill="#666" font-size="11"'),
  );
  const marks = rows.map(([name, figure], index) => {
    const { ratio, bar, spread } = figure;
    const y = top + index * step;
    const colour = { true: '#3c8d5a', false: '#b5483c' }[String(holds(figure))] ?? COLOURS[0];
    const [from, to] = spread?.ratio ?? [ratio, ratio];
    const limit =
      bar === undefined ? '' : line(x(bar), y - 9, x(bar), y + 9, 'stroke="#222" stroke-width="2.5"');
    return (
      text(left - 12, y + 4, name, 'text-anchor="end"') +
      line(x(from), y, x(to), y, `stroke="${colour}" stroke-width="2"`) +
      `<circle cx="${x(ratio)}" cy="${y}" r="5" fill="${colour}"/>${limit}` +
      text(WIDTH - right + 12, y + 4, round(ratio), `fill="${colour}" font-weight="bold"`)
    );
  });
  const legend =
    'ours ÷ peer or limit: dot: median, line: lowest to highest round, black mark: the bar (left of it is good)';
  return page(height, group, [
    text(16, 42, legend, 'fill="#666" font-size="11"'),
    ...grid,
    ...marks,
    text(left, height - 4, 'logarithmic', 'fill="#666" font-size="11"'),
  ]);
}

/** Round numbers from 0 up to a value. */
function ticks(most, wanted) {
  const rough = most / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((candidate) => candidate >= rough);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => i * step);
}

/**
 * Lines over a common axis that begins at 0.
 * @param {{title: string, x: string, panels: {y: string, series: {name: string, points: [number, number][]}[]}[]}} chart
 *   panels stand one below the other, because their units differ
 */
export function lines({ title, x: xLabel, panels }) {
  const [left, right, panelHeight, gap, top] = [70, 150, 120, 34, 56];
  const mostX = Math.max(
    ...panels.flatMap(({ series }) => series.flatMap(({ points }) => points.map(([x]) => x))),
  );
  const px = (value) => Math.round((left + (value / mostX) * (WIDTH - left - right)) * 10) / 10;
  const drawn = panels.map(({ y: yLabel, series }, index) => {
    const from = top + index * (panelHeight + gap);
    const to = from + panelHeight;
    const mostY = Math.max(1e-9, ...series.flatMap(({ points }) => points.map(([, y]) => y))) * 1.1;
    const py = (value) => Math.round((to - (value / mostY) * panelHeight) * 10) / 10;
    const grid = ticks(mostY, 4).map(
      (tick) =>
        line(left, py(tick), WIDTH - right, py(tick), 'stroke="#e4e4e4"') +
        text(left - 6, py(tick) + 4, round(tick), 'text-anchor="end" fill="#666" font-size="11"'),
    );
    const curves = series.map(({ name, points }, at) => {
      const colour = COLOURS[at % COLOURS.length];
      const path = points.map(([x, y]) => `${px(x)},${py(y)}`).join(' ');
      const end = points.at(-1);
      return (
        `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>` +
        text(WIDTH - right + 8, Math.min(to, py(end[1]) + 4), name, `fill="${colour}"`)
      );
    });
    return [text(16, from - 8, yLabel, 'fill="#444"'), ...grid, ...curves].join('\n');
  });
  const bottom = top + panels.length * (panelHeight + gap) - gap;
  const axis = ticks(mostX, 10).map((tick) =>
    text(px(tick), bottom + 16, round(tick), 'text-anchor="middle" fill="#666" font-size="11"'),
  );
  const label = text((left + WIDTH - right) / 2, bottom + 34, xLabel, 'text-anchor="middle" fill="#444"');
  return page(bottom + 46, title, [...drawn, ...axis, label]);
}
