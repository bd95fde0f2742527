import { setTimeout as wait } from 'node:timers/promises';
import type { CdnConfig } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import { formatDuration } from '../../log/index.ts';
import { browserHeaders, exchange, sha256 } from '../http.ts';
import type { SiteManifest } from '../manifest.ts';
import type { Expected } from './judge.ts';

type Zones = CdnConfig['zones'];

/** The same object at the origin; undefined when the URL is of no zone, or its zone names no origin. */
export function originUrl(url: string, zones: Zones): URL | undefined {
  for (const zone of Object.values(zones)) {
    const path = pathInZone(url, zone.url);
    if (path === undefined || !zone.origin) continue;
    return new URL(zone.origin.replace(/\/+$/, '') + path);
  }
  return undefined;
}

/** The path of the site that a URL of a zone is. */
export function pathInZone(url: string, zoneUrl: string): string | undefined {
  const base = new URL(zoneUrl);
  const asked = new URL(url);
  const folder = base.pathname.replace(/\/+$/, '');
  if (asked.host !== base.host || !asked.pathname.startsWith(`${folder}/`)) return undefined;
  return asked.pathname.slice(folder.length) + asked.search;
}

/**
 * What should be served: what the origin answers now. Where no origin is known, what the manifest of the build says.
 * @throws OpsError `CDN_UNREACHABLE`
 */
export async function expectedOf(
  url: string,
  { zones, manifest, signal }: { zones: Zones; manifest: SiteManifest | undefined; signal: AbortSignal },
): Promise<Expected | undefined> {
  const origin = originUrl(url, zones);
  if (origin) {
    const answer = await exchange({ method: 'GET', url: origin, headers: browserHeaders, signal });
    return { status: answer.status, sha256: sha256(answer.body) };
  }
  const built = manifestHash(url, zones, manifest);
  return built === undefined ? undefined : { status: null, sha256: built };
}

function manifestHash(url: string, zones: Zones, manifest: SiteManifest | undefined): string | undefined {
  const path = Object.values(zones)
    .map(zone => pathInZone(url, zone.url))
    .find(found => found !== undefined);
  return path === undefined ? undefined : manifest?.get(path)?.sha256;
}

export interface BuildExpectation {
  zones: Zones;
  /** What the answer of the origin at `buildPath` must contain. */
  build: { path: string; contains: string } | undefined;
  /** Some URLs whose content the manifest knows: the origin must serve that. */
  urls: readonly string[];
  manifest: SiteManifest | undefined;
  withinSeconds: number;
  signal: AbortSignal;
}

const pollMs = 2_000;

/**
 * Waits until every origin serves the build that the purge is for. A purge before that would fill the caches with the old
 * build once more, for as long as they keep it. An origin that does not answer is one that is being deployed.
 * @returns how many things were asked; 0: nothing was there to tell
 * @throws OpsError `CDN_ORIGIN_STALE` after `withinSeconds`: nothing was purged
 */
export async function originServesBuild(expectation: BuildExpectation): Promise<number> {
  const questions = questionsOf(expectation);
  const deadline = performance.now() + expectation.withinSeconds * 1000;
  for (;;) {
    const answers = await Promise.all(questions.map(question => lateness(question, expectation.signal)));
    const late = answers.find(answer => answer !== undefined);
    if (late === undefined) return questions.length;
    if (performance.now() + pollMs > deadline) {
      const waited = expectation.withinSeconds > 0 ? ` after ${formatDuration(expectation.withinSeconds)}` : '';
      throw new OpsError('CDN_ORIGIN_STALE', `${late}${waited}: nothing was purged`, {
        hint: 'Purge after the deploy is live, or give it longer with cdn.purge.waitForOrigin.',
      });
    }
    await wait(pollMs, undefined, { signal: expectation.signal });
  }
}

/** What is not yet as it should be, on one line. */
type Question = (signal: AbortSignal) => Promise<string | undefined>;

async function lateness(question: Question, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await question(signal);
  } catch (thrown) {
    if (thrown instanceof OpsError && thrown.code === 'CDN_UNREACHABLE') return thrown.message;
    throw thrown;
  }
}

function questionsOf({ zones, build, urls, manifest }: BuildExpectation): Question[] {
  const origins = [...new Set(Object.values(zones).flatMap(zone => zone.origin ?? []))];
  const ofBuild =
    build === undefined ? [] : origins.map(origin => buildQuestion(new URL(build.path, origin), build.contains));
  const ofFiles = urls.flatMap(url => {
    const origin = originUrl(url, zones);
    const built = manifestHash(url, zones, manifest);
    return origin && built ? [fileQuestion(origin, built)] : [];
  });
  return [...ofBuild, ...ofFiles];
}

function buildQuestion(url: URL, contains: string): Question {
  return async signal => {
    const { status, body } = await exchange({ method: 'GET', url, headers: browserHeaders, signal });
    if (status === 200 && body.includes(contains)) return undefined;
    return `${url.href} does not serve build ${contains.slice(0, 40)}${status === 200 ? '' : ` (HTTP ${status})`}`;
  };
}

function fileQuestion(url: URL, built: string): Question {
  return async signal => {
    const { status, body } = await exchange({ method: 'GET', url, headers: browserHeaders, signal });
    return status === 200 && sha256(body) === built ? undefined : `${url.href} does not serve what the build made`;
  };
}
