// Loads an HTTPS server with one prepared request over kept-alive connections. It parses no more of an answer than its
// status and length: a client that costs more than the server would measure itself, twice.
import { connect } from 'node:tls';

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Bytes of the first whole answer in `buffer`, and whether it was the connection's last: Node.js answers 503 to whoever
 * asks once more. `undefined` while it is not whole. Throws unless the status is 200.
 */
function answerOf(buffer) {
  const end = buffer.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const head = buffer.toString('latin1', 0, end);
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`answered ${head.split('\r\n')[0]}`);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error('an answer without Content-Length');
  const whole = end + HEAD_END.length + Number(length);
  return buffer.length >= whole ? { whole, last: /\r\nconnection: close/i.test(head) } : undefined;
}

/**
 * One connection that asks again when it is answered, `pauseMs` later, until `over()`. Resolves when it is closed.
 * @param {(ms: number) => void} done hears how long each answer took
 */
async function client(port, request, over, done, pauseMs = 0) {
  await new Promise((resolve, reject) => {
    let buffer = Buffer.alloc(0);
    let asked = 0;
    const ask = () => {
      asked = performance.now();
      socket.write(request);
    };
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, ask);
    socket.on('error', reject);
    socket.on('close', resolve);
    socket.on('data', (chunk) => {
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
      try {
        const answer = answerOf(buffer);
        if (answer === undefined) return;
        buffer = buffer.subarray(answer.whole);
        done(performance.now() - asked);
        if (answer.last || over()) socket.end();
        else if (pauseMs === 0) ask();
        else setTimeout(ask, pauseMs);
      } catch (error) {
        socket.destroy(error);
      }
    });
  });
  // The server ends a connection after a number of requests.
  if (!over()) await client(port, request, over, done, pauseMs);
}

function requestFor(port, path, token) {
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\nAccept: */*\r\n\r\n`,
  );
}

/**
 * Has 16 connections ask one after the other for about `ms`.
 * @param {number} port
 * @param {string} path
 * @param {string} token
 * @returns {Promise<{perSecond: number, answered: number}>}
 */
export async function httpsRate(port, path, token, ms = 1500) {
  const request = requestFor(port, path, token);
  const started = performance.now();
  const over = () => performance.now() - started >= ms;
  let answered = 0;
  const clients = Array.from({ length: 16 }, () => client(port, request, over, () => (answered += 1)));
  await Promise.all(clients);
  return { perSecond: (answered * 1000) / (performance.now() - started), answered };
}

/**
 * Has two connections ask every few milliseconds for about `ms`.
 * @returns {Promise<number[]>} how long each answer took, in ms
 */
export async function httpsLatencies(port, path, token, ms) {
  const request = requestFor(port, path, token);
  const started = performance.now();
  const over = () => performance.now() - started >= ms;
  const taken = [];
  const clients = [5, 7].map((pauseMs) => client(port, request, over, (each) => taken.push(each), pauseMs));
  await Promise.all(clients);
  return taken;
}
