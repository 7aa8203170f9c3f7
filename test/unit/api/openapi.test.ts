import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiPage } from '../../../src/agent/api/api-page';
import { openApiOf } from '../../../src/agent/api/openapi';
import { withApi } from '../../support/api';

const COPY = join(__dirname, '../../../docs/reference/openapi.json');

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security?: unknown[];
  parameters?: { name: string; in: string; required: boolean }[];
  responses: Record<string, { description: string }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  tags: { name: string }[];
}

test('the committed copy is what the agent serves (UPDATE_OPENAPI=1 writes it)', async () => {
  await withApi(async (api) => {
    const text = `${JSON.stringify(openApiOf(api.app.described), null, 2)}\n`;
    if (process.env['UPDATE_OPENAPI'] === '1') await writeFile(COPY, text);
    expect(await readFile(COPY, 'utf8')).toBe(text);
    expect((await api.call('GET', '/openapi.json')).body).toEqual(JSON.parse(text));
  });
});

test('the document is complete: ids are unique, parameters declared, success and errors described', async () => {
  await withApi(async (api) => {
    const document = (await api.call('GET', '/openapi.json')).body as Document;
    expect(document.openapi).toBe('3.1.0');
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, ...operation })),
    );
    expect(operations).toHaveLength(api.app.described.length);
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    const tags = document.tags.map(({ name }) => name);
    for (const { path, operationId, summary, responses, parameters = [], tags: own } of operations) {
      expect(operationId).toMatch(/^[a-z][A-Za-z0-9]+$/);
      expect(summary.length).toBeGreaterThan(5);
      expect(tags).toEqual(expect.arrayContaining(own));
      const declared = parameters.filter((each) => each.in === 'path').map(({ name }) => name);
      expect(declared).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
      expect(Object.keys(responses).some((status) => /^20[0-9]$/.test(status))).toBe(true);
      expect(responses['default']).toBeDefined();
    }
  });
});

test('the page lists every route and asks the network for nothing', async () => {
  await withApi(async (api) => {
    const { text, headers } = await api.call('GET', '/docs');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(text).toBe(apiPage(api.app.described));
    for (const { url } of api.app.described) expect(text).toContain(url);
    expect(text).not.toMatch(/<script|<link|<img|src=|https?:\/\//);
  });
});
