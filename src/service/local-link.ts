export { createLocalLink } from '../mesh/local-link.ts';
