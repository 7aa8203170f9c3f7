import type { Gateway } from '../device';
import { COLUMNS, cell, discoveryCells, textTable } from './columns';
import { type Reporter, type RunEvent, STEPS } from './events';

interface Row {
  gateway: Gateway;
  registrationId: string;
  result: string;
  /** Rows with news stay in view when there are more rows than lines. */
  rank: 0 | 1 | 2;
}

interface Terminal {
  write(text: string): unknown;
  readonly rows?: number;
  readonly columns?: number;
}

const REDRAW_MS = 100;

/** Columns that are left out on a narrow terminal, the least needed first; the result is always seen. */
const DISPENSABLE = ['Version', 'Port', 'MAC', 'Registration ID', 'Model Name', 'IP'] as const;
/** What a result needs to be of use: the bar and the longest step, or the code of an error. */
const RESULT_WIDTH = 36;

function bar(done: number, total: number, width: number): string {
  const filled = total === 0 ? 0 : Math.floor((done / total) * width);
  return '▰'.repeat(filled) + '▱'.repeat(width - filled);
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 100) return `${whole} s`;
  const minutes = Math.ceil(whole / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The table with as many columns as fit. */
function fittingTable(rows: readonly Row[], width: number): string[] {
  const left = new Set<string>(COLUMNS);
  const cells = rows.map((row) => [...discoveryCells(row.gateway), row.registrationId, row.result]);
  for (const dispensable of ['', ...DISPENSABLE]) {
    left.delete(dispensable);
    const kept = COLUMNS.flatMap((name, index) => (left.has(name) ? [index] : []));
    const pick = (values: readonly string[]): string[] => kept.map((index) => values[index] ?? '');
    const lines = textTable(pick(COLUMNS), cells.map(pick)).split('\n');
    const results = Math.max(...cells.map((row) => row.at(-1)?.length ?? 0), RESULT_WIDTH);
    const others = (lines[0] ?? '').length - (COLUMNS.at(-1)?.length ?? 0);
    if (others + results <= width || dispensable === DISPENSABLE.at(-1)) {
      return lines.map((line) => line.slice(0, width));
    }
  }
  return [];
}

/** A table that is drawn in place, with one line of progress below it. */
export class LiveTable implements Reporter {
  readonly #out: Terminal;
  readonly #rows = new Map<string, Row>();
  readonly #notes: string[] = [];
  readonly #colours: boolean;
  /** When the first step was made: the discovery before it says nothing about the rate. */
  #working: number | undefined;
  #drawnLines = 0;
  #timer: NodeJS.Timeout | undefined;
  #finished = 0;
  #failed = 0;

  constructor(out: Terminal, colours = process.env['NO_COLOR'] === undefined) {
    this.#out = out;
    this.#colours = colours;
  }

  report(event: RunEvent): void {
    this.#take(event);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#draw(false);
    }, REDRAW_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#draw(true);
    for (const note of this.#notes) this.#out.write(`${note}\n`);
  }

  #take(event: RunEvent): void {
    switch (event.event) {
      case 'discovered':
        this.#row(event.gateway);
        return;
      case 'step': {
        const row = this.#rows.get(event.deviceId);
        if (row === undefined) return;
        row.rank = 0;
        this.#working ??= performance.now();
        row.result = `${bar(STEPS.indexOf(event.step) + (event.status === 'done' ? 1 : 0), STEPS.length, STEPS.length)} ${event.step}${event.status === 'started' ? ' …' : ''}`;
        return;
      }
      case 'device': {
        // One of the journal that did not answer discovery has no row yet.
        const row = this.#row(event.gateway);
        this.#finished += 1;
        if (event.failure !== undefined) this.#failed += 1;
        row.gateway = event.gateway;
        row.registrationId = event.registrationId;
        row.rank = event.failure === undefined ? 2 : 0;
        row.result = event.failure === undefined ? event.stage : `FAILED ${event.failure.code}`;
        if (event.failure !== undefined) {
          this.#notes.push(
            `${cell(row.gateway.serialNumber)}: ${event.failure.message}\n  what to do: ${event.failure.advice}`,
          );
        }
        return;
      }
      case 'warning':
        this.#notes.push(`warning: ${event.message}`);
        return;
      case 'summary':
        return;
    }
  }

  #row(gateway: Gateway): Row {
    const known = this.#rows.get(gateway.deviceId);
    if (known !== undefined) return known;
    const row: Row = { gateway, registrationId: '', result: 'found', rank: 1 };
    this.#rows.set(gateway.deviceId, row);
    return row;
  }

  #draw(all: boolean): void {
    // A pseudo-terminal that nobody told its size says 0.
    const height = Math.max(4, (this.#out.rows || 24) - 4);
    const width = this.#out.columns || 80;
    const rows = [...this.#rows.values()];
    const shown = all ? rows : rows.sort((a, b) => a.rank - b.rank).slice(0, height);
    const lines = [...fittingTable(shown, width).map((text) => this.#coloured(text)), this.#progress(width)];
    // Over the last drawing, line by line: clearing it first would flicker, and fill the history of some terminals.
    const home = this.#drawnLines === 0 ? '' : `\u001b[${this.#drawnLines}F`;
    this.#out.write(`${home}${lines.map((text) => `${text}\u001b[K\n`).join('')}\u001b[0J`);
    this.#drawnLines = lines.length;
  }

  #coloured(text: string): string {
    if (!this.#colours) return text;
    return text
      .replace(/FAILED .*$/, '\u001b[31m$&\u001b[0m')
      .replace(/(▰+)(▱*)/, '\u001b[32m$1\u001b[90m$2\u001b[0m');
  }

  #progress(width: number): string {
    const total = this.#rows.size;
    const elapsedS = (performance.now() - (this.#working ?? performance.now())) / 1000;
    const rate = this.#finished / Math.max(elapsedS, 0.001);
    const parts = [`${this.#finished} of ${total} finished`];
    if (this.#failed > 0) parts.push(`${this.#failed} failed`);
    if (this.#finished > 0) parts.push(`${(rate * 60).toFixed(0)} a minute`);
    const left = total - this.#finished;
    if (left > 0 && this.#finished > 0) parts.push(`about ${duration(left / rate)} left`);
    if (left === 0) parts.push(`in ${duration(elapsedS)}`);
    return `${bar(this.#finished, total, 20)} ${parts.join(', ')}`.slice(0, width);
  }
}
