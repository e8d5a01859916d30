import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../source-files.ts';

const markdownIn = (directory: string, recursive: boolean): readonly string[] =>
  readdirSync(join(root, directory), { recursive, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name));
const pages = [...markdownIn('.', false), ...markdownIn('docs', true)];

/** Programs and their output hold brackets that are no links, and lines that are no headings. */
function proseOf(page: string): string {
  return readFileSync(join(root, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(page).matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = heading
      .replace(/&\w+;/g, '')
      .replace(/\]\([^)]*\)/g, ']')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** @returns why the link leads nowhere. */
function faultOf(page: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
  const name = relative(root, target);
  if (name.startsWith('..') || !existsSync(target)) return `${page}: ${link}: there is no such file`;
  if (anchor === undefined) return undefined;
  if (statSync(target).isDirectory() || !name.endsWith('.md'))
    return `${page}: ${link}: only a page has anchors`;
  return anchorsOf(name).has(anchor) ? undefined : `${page}: ${link}: ${name} has no such heading`;
}

describe('the links of the documentation', () => {
  it.each(pages)('%s names only pages, files and headings that exist', (page) => {
    const links = [...proseOf(page).matchAll(/(?<!`)\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const own = links.filter((link) => !/^[a-z]+:/i.test(link));
    expect(own.flatMap((link) => faultOf(page, link) ?? [])).toEqual([]);
  });

  it('leads from the README to every page but the decisions', () => {
    const readme = proseOf('README.md');
    const missing = pages.filter(
      (page) => page.startsWith('docs') && !page.includes('decisions') && !readme.includes(`(${page})`),
    );
    expect(missing).toEqual([]);
  });
});
