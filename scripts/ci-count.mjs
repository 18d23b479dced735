// usage: node scripts/ci-count.mjs RESULTS TESTS-STATUS PASSED FAILED
// Adds vitest's JSON results to the phases that .ci/run has counted, and prints `N passed, N failed, N skipped`.
// A test that was skipped for want of a package is a failure: CI installs them all. Exits 1 when anything failed.
import { readFileSync } from 'node:fs';

const [results, testsStatus, passed, failed] = process.argv.slice(2);
const count = { passed: Number(passed), failed: Number(failed), skipped: 0 };

function fail(text) {
  console.log(text);
  count.failed++;
}

function add({ status, fullName }) {
  if (status === 'passed') count.passed++;
  else if (status === 'failed') fail(`failed: ${fullName}`);
  else if (fullName.includes('apt-get install')) fail(`skipped, but must not be: ${fullName}`);
  else {
    console.log(`skipped: ${fullName}`);
    count.skipped++;
  }
}

try {
  const files = JSON.parse(readFileSync(results, 'utf8')).testResults;
  const failedBefore = count.failed;
  for (const file of files) file.assertionResults.forEach(add);
  // A file that does not load, an error outside any test.
  if (testsStatus !== '0' && count.failed === failedBefore) fail('failed: the tests, though no single one');
} catch (error) {
  fail(`failed: the tests left no results (${error.message})`);
}
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed > 0 ? 1 : 0;
