import { createHash } from 'node:crypto';

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem;color:#1c2733}' +
  'label,button{display:block;margin:.8rem 0}input{display:block;width:100%;padding:.4rem;font:inherit;box-sizing:border-box}' +
  'button{padding:.4rem 1.2rem;font:inherit}output{color:#a4262c}';

/** Asks for a token, shows the page with it, and logs out again: no session is left behind, and no token is kept. */
const SCRIPT = `
const form = document.querySelector('form');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const said = document.querySelector('output');
  try {
    const { name, password } = Object.fromEntries(new FormData(form));
    const body = JSON.stringify({ acceptEULA: true, name, password });
    const login = await fetch('auth', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    const { data, error } = await login.json();
    if (error) { said.textContent = error.message + '. ' + error.advice; return; }
    const headers = { Authorization: 'Bearer ' + data.token };
    const page = await (await fetch('docs', { headers })).text();
    await fetch('auth', { method: 'DELETE', headers });
    document.documentElement.innerHTML = page;
  } catch (error) {
    said.textContent = 'The gateway does not answer: ' + error.message;
  }
});
`;

/** What a browser gets with the 401 of the API page. It tells nothing that the error would not. */
export const LOGIN_PAGE =
  '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
  `<title>Log in to tpe-agent</title><style>${STYLE}</style><h1>Log in</h1><form method="post">` +
  '<label>Account <input name="name" autocomplete="username" required autofocus></label>' +
  '<label>Password <input name="password" type="password" autocomplete="current-password" required></label>' +
  `<button>Show the API</button></form><output role="alert"></output><script>${SCRIPT}</script></html>\n`;

const digest = createHash('sha256').update(SCRIPT).digest('base64');

/** This script and no other, calls to this gateway and nowhere else, and no form that sends a password by itself. */
export const LOGIN_PAGE_POLICY =
  `default-src 'none'; script-src 'sha256-${digest}'; style-src 'unsafe-inline'; connect-src 'self'; ` +
  "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
