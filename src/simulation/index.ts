export type { Violation } from './checkers/judge.ts';
export { requiredCoverage } from './required-coverage.ts';
export { runSeed } from './run-seed.ts';
export type { SeedOptions, SeedReport } from './seed-report.ts';
export { type WorldName, worldOf } from './world-name.ts';
