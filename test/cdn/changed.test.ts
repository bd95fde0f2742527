import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createCdnService } from '../../actions/lib/cdn/index.ts';
import { ops } from '../console/run.ts';
import { startOrigin } from '../services/origin.ts';
import { run } from '../services/processes.ts';

const env = { CDN_URL: 'https://shop.example.org', CDN_PURGE_URL: 'http://127.0.0.1:9' };
const sha = (digit: string) => digit.repeat(64);

describe('only what changed is purged', () => {
  let repository: string;
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: repository });

  beforeAll(async () => {
    repository = await mkdtemp(join(tmpdir(), 'ops-cdn-git-'));
    await mkdir(join(repository, 'public/blog'), { recursive: true });
    const write = (path: string, text: string) => writeFile(join(repository, path), text);
    await git('init', '-q');
    for (const path of [
      'public/same.css',
      'public/changed.css',
      'public/gone.css',
      'public/blog/index.html',
      'README.md',
    ])
      await write(path, `1 ${path}\n`.repeat(20));
    await git('add', '-A');
    await git('commit', '-qm', 'one');
    await git('tag', 'released');
    await write('public/changed.css', '2');
    await write('public/blog/index.html', '2');
    await write('public/new file, ü.css', '2');
    await write('README.md', '2');
    await rm(join(repository, 'public/gone.css'));
    await git('add', '-A');
    await git('commit', '-qm', 'two');
  });

  const urls = (stdout: string) =>
    [...stdout.matchAll(/purge (https:\S+):/g)].map(([, url]) => url!.replace('https://shop.example.org', ''));

  it('since a git ref: changed, new and removed files of the site, pages under their folder too', async () => {
    const ran = await ops(['cdn', 'purge', '--changed-since', 'released', '--dry-run'], env, repository);
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(urls(ran.stdout)).toEqual([
      '/blog/index.html',
      '/blog/',
      '/changed.css',
      '/gone.css',
      '/new%20file%2C%20%C3%BC.css',
    ]);
  });

  it('since now: nothing, and nothing is called', async () => {
    const ran = await ops(['cdn', 'purge', '--changed-since', 'HEAD'], env, repository);
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(ran.stdout).toContain('Nothing changed since HEAD: nothing was purged.');
  });

  it.each([
    ['nowhere', /git knows no 'nowhere' here.*\n {2}→ A shallow checkout/],
    ['--output=/tmp/x', /'--output=\/tmp\/x' is not a git ref/],
  ])('%s is one clear error', async (ref, expected) => {
    const ran = await ops(['cdn', 'purge', `--changed-since=${ref}`], env, repository);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toMatch(expected);
  });

  it('since the manifest of the build before', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ops-cdn-'));
    const asset = (path: string, sha256: string, variants: object[] = []) => ({ path, sha256, variants });
    const variant = (path: string, sha256: string) => ({ path, sha256, format: 'webp', width: 400 });
    await writeFile(
      join(folder, 'before.json'),
      JSON.stringify({
        assets: [
          asset('/a.css', sha('1')),
          asset('/p.jpg', sha('2'), [variant('/p.webp', sha('3'))]),
          asset('/gone.js', sha('4')),
        ],
      }),
    );
    await writeFile(
      join(folder, 'now.json'),
      JSON.stringify({
        assets: [
          asset('/a.css', sha('1')),
          asset('/p.jpg', sha('2'), [variant('/p.webp', sha('5'))]),
          asset('/new.js', sha('6')),
        ],
      }),
    );
    const ran = await ops(
      ['cdn', 'purge', '--changed-since', 'before.json', '--dry-run'],
      { ...env, CDN_MANIFEST: 'now.json' },
      folder,
    );
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(urls(ran.stdout)).toEqual(['/gone.js', '/new.js', '/p.webp']);

    const without = await ops(['cdn', 'purge', '--changed-since', 'before.json'], env, folder);
    expect(without.stderr).toMatch(
      /^CDN_CANNOT before\.json is a manifest, and there is none of now.*\n {2}→ Set cdn\.manifest/,
    );
    await writeFile(join(folder, 'broken.json'), '{"assets": [{"path": "a"}]}');
    const broken = await ops(
      ['cdn', 'purge', '--changed-since', 'broken.json'],
      { ...env, CDN_MANIFEST: 'now.json' },
      folder,
    );
    expect(broken.stderr).toMatch(/^CDN_MANIFEST The manifest .*broken\.json is not one: assets\.0\.path/);
  });
});

describe('as a library and on the command line', () => {
  it('zones come from CDN_*; variants from the manifest', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'ops-cdn-'));
    await writeFile(
      join(cwd, 'm.json'),
      JSON.stringify({
        assets: [
          {
            path: '/p.jpg',
            sha256: sha('1'),
            variants: [{ path: '/p.400.webp', sha256: sha('2'), format: 'webp', width: 400 }],
          },
        ],
      }),
    );
    const service = createCdnService({
      cwd,
      env: {
        CDN_URL: 'https://cdn.example.org',
        CDN_IMAGES_URL: 'https://img.example.org',
        CDN_TRANSFORM: 'variants',
        CDN_MANIFEST: 'm.json',
      },
    });
    expect(service.getCDNUrl('/p.jpg', 'images')).toBe('https://img.example.org/p.jpg');
    expect(service.getOptimizedImageUrl('/p.jpg', { width: 300 }, 'images')).toBe('https://img.example.org/p.400.webp');
    expect(service.getResponsiveImageSrcSet('/p.jpg', [300, 900], {}, 'images')).toBe(
      'https://img.example.org/p.400.webp 400w',
    );
  });

  it('ops cdn url and ops cdn config', async () => {
    const of = { CDN_URL: 'https://cdn.example.org', CDN_TRANSFORM: 'aws', CLOUDFLARE_ZONE_ID: 'f'.repeat(32) };
    const url = await ops(['cdn', 'url', '/p.jpg', '--width', '400', '--format', 'webp'], of);
    expect(url.stdout).toBe('https://cdn.example.org/p.jpg?format=webp&width=400\n');
    const wrong = await ops(['cdn', 'url', '/p.jpg', '--zone', 'imges'], of);
    expect([wrong.exitCode, wrong.stderr]).toEqual([
      2,
      "CDN_CANNOT There is no CDN zone 'imges'\n  → Zones: default.\n",
    ]);
    const config = await ops(['cdn', 'config'], of);
    expect(config.stdout).toBe(
      'Purges go to cloudflare: There is no token for Cloudflare. Set CLOUDFLARE_API_TOKEN to an API token with the permission Zone, Cache Purge, Purge.\n  default: https://cdn.example.org/, transform aws\n'.replace(
        'org/,',
        'org,',
      ),
    );
  });

  it('ops cdn config --check asks every zone and origin; one that does not answer is not known', async () => {
    const origin = await startOrigin({ '/': { body: 'well' } });
    try {
      const well = await ops(['cdn', 'config', '--check'], { CDN_URL: origin.url });
      expect([well.exitCode, well.stdout]).toEqual([0, expect.stringContaining(`ok: ${origin.url} answers HTTP 200`)]);
      const gone = await ops(['cdn', 'config', '--check'], {
        CDN_URL: origin.url,
        CDN_ORIGIN_URL: 'http://127.0.0.1:9',
      });
      expect(gone.exitCode).toBe(3);
      expect(gone.stdout).toContain('NOT KNOWN: 127.0.0.1:9 refused the connection');
    } finally {
      await origin.stop();
    }
  });

  it.each([
    [{ CDN_IMAGES_URL: 'ftp://img' }, /^CONFIG_INVALID CDN_IMAGES_URL: 'cdn\.zones\.images\.url'/],
    [{ CLOUDFLARE_ZONE_ID: 'abc' }, /^CONFIG_INVALID CLOUDFLARE_ZONE_ID: .*32 hexadecimal digits/],
    [{ CDN_PROVIDER: 'akamai' }, /^CONFIG_INVALID CDN_PROVIDER: /],
  ])('%j names the variable that is wrong', async (of, expected) => {
    const ran = await ops(['cdn', 'config'], of as unknown as Record<string, string>);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toMatch(expected);
  });
});
