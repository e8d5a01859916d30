export type { Violation } from './checkers/judge.ts';
export { requiredCoverage, runSeed, type WorldName, worldOf } from './run-seed.ts';
export type { SeedOptions, SeedReport } from './seed-report.ts';
