// Keeps one message after the other for ever, as an offline gateway does; run as a child process that the test kills.
import { Outbox } from '../../../src/agent/hub/outbox';
import { createLogger } from '../../../src/common/logger';

async function main(): Promise<void> {
  const [folder = '', first = '1', messages = '2000'] = process.argv.slice(2);
  const outbox = await Outbox.open(folder, createLogger('keeper', 'silent'), { messages: Number(messages) });
  for (let n = Number(first); ; n += 1) {
    const createdAt = new Date().toISOString();
    await outbox.add({ body: JSON.stringify({ n, text: 'x'.repeat(n % 400) }), properties: {}, createdAt });
    process.stdout.write(`${n}\n`);
  }
}

void main();
