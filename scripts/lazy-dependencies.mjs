// Dependencies load some modules of Node.js that the programs never, or seldom, come to use: about 10 ms of CPU time
// at each start on the machine where a bare Node.js takes 20. While bundling, such a `require` moves to where it is used.
import { readFileSync } from 'node:fs';

/** These files call it as assert(condition, message) only. */
const assertLater = (specifier) => [
  `const assert = require('${specifier}')`,
  `const assert = (condition, message) => { if (!condition) require('${specifier}')(condition, message) }`,
];

/** File under node_modules → texts to replace. */
const EDITS = {
  'sonic-boom/index.js': [assertLater('assert')],
  'find-my-way/lib/constrainer.js': [assertLater('node:assert')],
  'find-my-way/lib/strategies/accept-host.js': [assertLater('node:assert')],
  'find-my-way/lib/strategies/accept-version.js': [assertLater('node:assert')],
  // It compiles functions for each route: for each short part of its path (what it does with long ones costs no start),
  // for its parameters, and for constraints such as a version, which no route here has.
  'find-my-way/lib/node.js': [['if (prefix.length >= LONG_PREFIX_MIN_LENGTH)', 'if (true)']],
  'find-my-way/lib/handler-storage.js': [
    [
      '_compileCreateParamsObject (params) {',
      '_compileCreateParamsObject (params) {\n    if (params.length === 0) return () => new NullObject()',
    ],
    [
      'this._compileGetHandlerMatchingConstraints(constrainer, constraints)',
      `this._getHandlerMatchingConstraints = (derived) => {
        this._compileGetHandlerMatchingConstraints(constrainer, constraints)
        return this._getHandlerMatchingConstraints(derived)
      }`,
    ],
  ],
  // A global of Node.js, loaded at its first use.
  'fastify/lib/logger-factory.js': [[`const { performance } = require('node:perf_hooks')`, '']],
  'fastify/lib/plugin-utils.js': [
    assertLater('node:assert'),
    // Whether each plugin fits this fastify: what is in the bundle does so already, and the tests run it unbundled.
    [`const semver = require('semver')`, ''],
    ['  checkVersion.call(this, fn)\n', ''],
  ],
  '@fastify/jwt/index.js': [assertLater('node:assert')],
  // Which files called it, from a stack trace: for transports in worker threads, which nothing here uses.
  'pino/pino.js': [[`normalize(instance, caller(), ...args)`, `normalize(instance, undefined, ...args)`]],
  'pino/lib/tools.js': [
    [`const { isMainThread } = require('worker_threads')`, ''],
    ['if (!opts.sync && isMainThread)', `if (!opts.sync && require('worker_threads').isMainThread)`],
  ],
  'pino/lib/transport.js': [
    [`const ThreadStream = require('thread-stream')`, ''],
    ['new ThreadStream(', `new (require('thread-stream'))(`],
  ],
  'fastify/lib/server.js': [
    [`const http2 = require('node:http2')`, ''],
    ['http2.createSecureServer(', `require('node:http2').createSecureServer(`],
    ['http2.createServer(', `require('node:http2').createServer(`],
  ],
  // It analyses three expressions of its own at every start; the library's authors did so, too. Routes stay checked.
  'find-my-way/index.js': [
    assertLater('node:assert'),
    [
      `const isRegexSafe = require('safe-regex2')`,
      `const isRegexSafe = (regex) => require('safe-regex2')(regex)`,
    ],
    ['if (!isRegexSafe(OPTIONAL_PARAM_REGEXP))', 'if (false)'],
    ['if (!isRegexSafe(ESCAPE_REGEXP))', 'if (false)'],
    ['if (!isRegexSafe(REMOVE_DUPLICATE_SLASHES_REGEXP))', 'if (false)'],
  ],
  // At the first packet it makes a Buffer for each of 65,536 numbers: 6 MiB for as long as the process lives. Its switch
  // (`writeToStream.cacheNumbers`) is out of reach, as mqtt brings a copy of its own.
  'mqtt-packet/writeToStream.js': [
    ['let writeNumber = writeNumberCached', 'let writeNumber = writeNumberGenerated'],
    ['let toGenerate = true', 'let toGenerate = false'],
  ],
};

/** @type {import('esbuild').Plugin} */
export const lazyDependencies = {
  name: 'lazy-dependencies',
  setup(build) {
    const filter = new RegExp(`/node_modules/(${Object.keys(EDITS).join('|').replaceAll('.', '\\.')})$`);
    build.onLoad({ filter }, ({ path }) => {
      const edits = EDITS[path.split('/node_modules/').at(-1)];
      const missing = [];
      const contents = edits.reduce(
        (text, [from, to]) => {
          if (!text.includes(from)) missing.push({ text: `${path} no longer has: ${from}` });
          return text.replace(from, () => to);
        },
        readFileSync(path, 'utf8'),
      );
      return { contents, loader: 'js', errors: missing };
    });
  },
};
