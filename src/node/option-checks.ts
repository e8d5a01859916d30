export { checkKeys, requireThat, textOf } from '../base/option-checks.ts';
