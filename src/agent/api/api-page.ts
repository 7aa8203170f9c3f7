import type { DescribedRoute } from './plugins/route-collector';

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733}' +
  'h2{border-bottom:1px solid #cdd5dc;text-transform:capitalize}details{margin:.4rem 0;border:1px solid #dde3e8;border-radius:4px}' +
  'summary{padding:.4rem .7rem;cursor:pointer}code{font-family:ui-monospace,monospace}b{display:inline-block;min-width:4.5rem}' +
  'pre{background:#f3f5f7;margin:0;padding:.7rem;overflow:auto}small{color:#5b6873}p{margin:.4rem .7rem}';

const escape = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign] ?? sign,
  );

function section(title: string, schema: unknown): string {
  return schema === undefined ? '' : `<p>${title}</p><pre>${escape(JSON.stringify(schema, null, 2))}</pre>`;
}

function entry({ access, body, method, params, query, responses, summary, url }: DescribedRoute): string {
  const needs =
    access === 'public' ? 'no token' : access.permission === 'none' ? 'any token' : access.permission;
  const answers = Object.entries(responses).map(([status, schema]) => section(`Answer ${status}`, schema));
  return (
    `<details><summary><b>${method}</b> <code>${escape(url)}</code> ${escape(summary)} <small>(${needs})</small></summary>` +
    `${section('Path', params)}${section('Query', query)}${section('Body', body)}${answers.join('')}</details>`
  );
}

/** One page about every route; needs no script and nothing from the network. */
export function apiPage(routes: readonly DescribedRoute[]): string {
  const tags = [...new Set(routes.flatMap((route) => route.tags))].sort();
  const parts = tags.map((tag) => {
    const entries = routes.filter((route) => route.tags[0] === tag).map(entry);
    return `<h2>${escape(tag)}</h2>\n${entries.join('\n')}`;
  });
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
    `<title>tpe-agent REST API</title><style>${STYLE}</style><h1>tpe-agent REST API</h1>\n` +
    '<p>Log in with <code>POST /api/v1/auth</code>, then send <code>Authorization: Bearer TOKEN</code>. Success is ' +
    '<code>{"data": …}</code>, an error <code>{"error": {"code", "message", "id", "advice"}}</code>.</p>\n' +
    `${parts.join('\n')}\n</html>\n`
  );
}
