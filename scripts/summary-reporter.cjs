'use strict';

/** Ends every run with one plain line that a person or a CI can read: "tests: N passed, N failed". */
module.exports = class SummaryReporter {
  onRunComplete(_contexts, results) {
    const failedSuites = results.testResults.filter((r) => r.testExecError).length;
    process.stdout.write(
      `tests: ${results.numPassedTests} passed, ${results.numFailedTests + failedSuites} failed\n`,
    );
  }
};
