import { runAction, step, watchdogInputs } from '../lib/run/action.ts';
import { watchdogOperation } from '../lib/watchdog/index.ts';

await runAction(watchdogInputs, (_, env) => [
  step(watchdogOperation, { assetsPropose: env.ASSETS_PROPOSE }, ({ jobs, schedules }) => ({
    missing: JSON.stringify([
      ...jobs.filter(job => job.status !== 'ok').map(job => job.name),
      ...schedules.filter(schedule => schedule.status !== 'ok').map(schedule => schedule.workflow),
    ]),
  })),
]);
