/* One jest project a suite, so that `node scripts/test.mjs unit e2e` picks by name. */
const suites = ['unit', 'integration', 'interop', 'e2e', 'crash', 'fuzz'];

module.exports = {
  projects: suites.map((name) => ({
    displayName: name,
    rootDir: __dirname,
    testEnvironment: 'node',
    testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
    modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.cache/', '<rootDir>/build/'],
    // Relative imports are written as NodeNext asks for CommonJS: without an ending.
    transform: { '^.+\\.[cm]?[tj]s$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }] },
    transformIgnorePatterns: ['/node_modules/(?!(smol-toml)/)'],
  })),
  reporters: ['default', '<rootDir>/scripts/summary-reporter.cjs'],
  // Child processes and TPMs take their time on a loaded two-core machine.
  testTimeout: 60_000,
};
