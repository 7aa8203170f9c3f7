// A horizontal bar chart of one group's ratios as SVG, without a dependency: ours ÷ peer's, 1 is a line.

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** @param {string} title @param {Record<string, {ratio: number|null, bar?: number}>} figures */
export function plot(title, figures) {
  const rows = Object.entries(figures).filter(([, { ratio }]) => Number.isFinite(ratio));
  const [left, width, rowHeight] = [260, 420, 26];
  const most = Math.max(1.2, ...rows.flatMap(([, { ratio, bar }]) => [ratio, bar ?? 0])) * 1.1;
  const x = (ratio) => left + (ratio / most) * width;
  const height = 60 + rows.length * rowHeight;
  const bars = rows.map(([name, { ratio, bar }], index) => {
    const y = 44 + index * rowHeight;
    const colour = bar === undefined ? '#4a7fb5' : ratio <= bar ? '#3c8d5a' : '#b5483c';
    const mark =
      bar === undefined
        ? ''
        : `<line x1="${x(bar)}" x2="${x(bar)}" y1="${y - 3}" y2="${y + 17}" stroke="#222" stroke-width="2"/>`;
    return (
      `<text x="${left - 8}" y="${y + 11}" text-anchor="end">${escape(name)}</text>` +
      `<rect x="${left}" y="${y}" width="${Math.max(1, x(ratio) - left)}" height="14" fill="${colour}"/>${mark}` +
      `<text x="${x(ratio) + 6}" y="${y + 11}">${ratio.toPrecision(3)}</text>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${height}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="#fff"/><text x="16" y="22" font-size="15">${escape(title)}: ours ÷ peer (lower is better; black mark: the bar)</text>` +
    `<line x1="${x(1)}" x2="${x(1)}" y1="34" y2="${height - 14}" stroke="#999" stroke-dasharray="4 3"/>` +
    `${bars.join('')}</svg>\n`
  );
}
