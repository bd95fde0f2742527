import { failedRun, type Runbook, type Runbooks } from './runbook.ts';

/** Purges and audits of the CDN. */
export const cdnRunbooks: Runbooks = {
  'cdn.purge.verified': () => ({
    title: 'A purge did not reach what visitors get',
    meaning:
      'URLs that were purged are still served as they were before, or nobody could look. Visitors may see the old build, or half of it.',
    steps: [
      'Open one of the URLs and look at its headers: Age and the state of the cache say which copy it is.',
      'Old although the call succeeded: the URL of the purge is not the URL of the copy (scheme, host, query, a cache key of its own), or there is another cache in front.',
      'The origin itself serves the old build: the deploy is not live. Purge again when it is.',
      'Only not verified: name URLs to look at in `cdn.purge.verifyPaths`, and the origin in `CDN_ORIGIN_URL`.',
    ],
    commands: ['npm run ops -- cdn purge /path --dry-run', 'npm run ops -- cdn audit'],
  }),
  'cdn.audit.reached': () => unreached,
  'cdn.config.answers': () => unreached,
  'cdn.purge.run': () => failedRun('A purge of the CDN', undefined, 'cdn.yml'),
  'cdn.audit.run': () => failedRun('The audit of the CDN', 'npm run ops -- cdn audit', 'cdn.yml'),
  'cdn.audit.*': () => ({
    title: 'The CDN does not serve assets as it should',
    meaning: 'The audit found responses that are slower, older or riskier for visitors than they need to be.',
    steps: [
      'The report lists each URL with the header to set. Set it where the origin makes the response; a rule in the CDN is the second choice.',
      'Purge what was changed: a cache keeps the old headers with the old copy.',
      'Meant to be so: name the rule below `cdn.audit.ignore` of `.github/ops.yml`.',
    ],
    commands: ['npm run ops -- cdn audit', 'npm run ops -- cdn purge /path'],
  }),
};

const unreached: Runbook = {
  title: 'Parts of the site could not be looked at',
  meaning: 'URLs did not answer the audit. That may be the site, or what is between it and this machine.',
  steps: ['Open one of the URLs yourself. If it answers, look for a firewall that keeps machines of this kind out.'],
  commands: ['npm run ops -- cdn config --check', 'npm run ops -- cdn audit'],
};
