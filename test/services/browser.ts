import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closed, listening, type Page } from './origin.ts';
import { findProgram, killAll, startDaemon } from './processes.ts';

/** Debian and Alpine have the first, other systems and CI runners one of the others. */
const programs = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

let found: { browser: string | undefined } | undefined;

/** Asked for its version: Ubuntu's `chromium-browser` is a script that says which snap to install. */
export function findBrowser(): string | undefined {
  found ??= {
    browser: programs
      .map(program => findProgram(program))
      .find(path => path !== undefined && spawnSync(path, ['--version'], { timeout: 30_000 }).status === 0),
  };
  return found.browser;
}

export interface Visit {
  /** What the page sent with `POST /report`, as JSON. */
  report: unknown;
  /** Paths in the order that the browser asked for them. */
  asked: string[];
}

export interface VisitOptions {
  /** The page that is opened; it reports to `/report`. */
  html: string;
  /** What else the site has. */
  serve: (path: string) => Promise<Page | undefined>;
  /** CSS pixels of the window; one device pixel each. */
  width: number;
  timeoutMs?: number;
}

/** Opens a page of a real HTTP server in a real browser, until it has reported. */
export async function visit({ html, serve, width, timeoutMs = 90_000 }: VisitOptions): Promise<Visit> {
  const asked: string[] = [];
  const reported = Promise.withResolvers<unknown>();
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    if (path === '/report') {
      let text = '';
      for await (const chunk of request) text += chunk;
      response.end();
      return reported.resolve(JSON.parse(text));
    }
    asked.push(path);
    const page =
      path === '/' ? { headers: { 'content-type': 'text/html; charset=utf-8' }, body: html } : await serve(path);
    const { status = 200, headers = {}, body } = page ?? { status: 404, body: 'not here' };
    response.writeHead(status, headers).end(body);
  };
  const server = createServer((request, response) => void answer(request, response).catch(reported.reject));
  await listening(server);
  const profile = await mkdtemp(join(tmpdir(), 'ops-browser-'));
  const browser = startDaemon(
    findBrowser() ?? 'chromium',
    [
      '--headless=new',
      // Tests run as root, in containers with a small /dev/shm and no GPU.
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--force-device-scale-factor=1',
      `--window-size=${width},800`,
      `--user-data-dir=${profile}`,
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ],
    { PATH: process.env.PATH, HOME: profile, LANG: 'C.UTF-8' },
  );
  let stderr = '';
  browser.stderr?.on('data', chunk => {
    stderr = (stderr + chunk).slice(-2000);
  });
  browser.stdout?.resume();
  browser.once('error', reported.reject);
  browser.once('exit', code => reported.reject(new Error(`the browser ended with exit code ${code}: ${stderr}`)));
  const late = setTimeout(() => {
    reported.reject(
      new Error(`the page did not report within ${timeoutMs} ms; it asked for ${asked.join(' ')}: ${stderr}`),
    );
  }, timeoutMs);
  try {
    return { report: await reported.promise, asked };
  } finally {
    clearTimeout(late);
    await killAll([browser]);
    await closed(server);
    // Its helpers write their last into it while they go.
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
