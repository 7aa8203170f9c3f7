import type { Gateway } from '../device';
import { COLUMNS, cell, discoveryCells, textTable } from './columns';
import type { Reporter, RunEvent } from './events';

interface Row {
  readonly gateway: Gateway;
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

/** A table that is drawn in place, with one line of progress below it. */
export class LiveTable implements Reporter {
  readonly #out: Terminal;
  readonly #rows = new Map<string, Row>();
  readonly #notes: string[] = [];
  readonly #started = performance.now();
  #drawnLines = 0;
  #timer: NodeJS.Timeout | undefined;
  #finished = 0;

  constructor(out: Terminal) {
    this.#out = out;
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
        this.#rows.set(event.gateway.deviceId, {
          gateway: event.gateway,
          registrationId: '',
          result: 'found',
          rank: 1,
        });
        return;
      case 'step': {
        const row = this.#rows.get(event.deviceId);
        if (row === undefined) return;
        row.rank = 0;
        row.result = event.status === 'started' ? `${event.step} …` : event.step;
        return;
      }
      case 'device': {
        const row = this.#rows.get(event.gateway.deviceId);
        this.#finished += 1;
        if (row === undefined) return;
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

  #draw(all: boolean): void {
    const height = Math.max(4, (this.#out.rows ?? 24) - 4);
    const rows = [...this.#rows.values()];
    const shown = all ? rows : rows.sort((a, b) => a.rank - b.rank).slice(0, height);
    const table = textTable(
      COLUMNS,
      shown.map((row) => [...discoveryCells(row.gateway), row.registrationId, row.result]),
    );
    const width = this.#out.columns ?? 200;
    const lines = [...table.split('\n').map((text) => text.slice(0, width)), this.#progress()];
    // Back to the first line of the last drawing, and clear from there.
    const home = this.#drawnLines === 0 ? '' : `\u001b[${this.#drawnLines}F\u001b[0J`;
    this.#out.write(`${home}${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  #progress(): string {
    const total = this.#rows.size;
    const elapsedS = (performance.now() - this.#started) / 1000;
    const rate = this.#finished / Math.max(elapsedS, 0.001);
    const left = this.#finished > 0 ? `, about ${Math.ceil((total - this.#finished) / rate)} s left` : '';
    return `${this.#finished} of ${total} finished, ${(rate * 60).toFixed(0)} a minute${this.#finished < total ? left : ''}`;
  }
}
