import { describe, expect, it } from 'vitest';
import {
  type AlertsInput,
  critical,
  type Happening,
  late,
  personCloses,
  personDeletes,
  personReopens,
  play,
  type Scene,
  twin,
  unknown,
  value,
  warning,
  well,
} from './model.ts';

interface Story {
  name: string;
  alerts?: AlertsInput;
  /** Minutes, what happens, what is done about it. */
  scenes: readonly Scene[];
  begins?: string;
}

const backup = 'backup shop';
const hour = 60;
const day = 24 * hour;
const cpu = { rules: [{ check: 'cpu', warning: { enter: 85, exit: 75 }, critical: { enter: 95, exit: 85 } }] };
const disk = { rules: [{ check: 'cpu', breach: 'below' as const, warning: { enter: 20, exit: 30 }, critical: 5 }] };
const held = { recoveryHold: '15m' };
const patient = { for: '15m' };
const databaseDown = 'monitor.database.up';

/** As many breaches as told, each of its own check. */
const many = (count: number, of: (id: string) => Happening = critical) =>
  Array.from({ length: count }, (_, index) => of(`check${String(index).padStart(2, '0')}`));

/** With names so long that fifty fill a body. */
const longWinded = (of: (id: string) => Happening) => (id: string) => of(`${id}.${'very.'.repeat(20)}long`);

const stories: Record<string, readonly Story[]> = {
  'opening and closing': [
    { name: 'what is well is not announced', scenes: [[0, [well('backup')], []]] },
    { name: 'a breach opens an issue', scenes: [[0, [critical('backup')], ['open critical backup shop']]] },
    {
      name: 'a warning opens an issue of that severity',
      scenes: [[0, [warning('backup')], ['open warning backup shop']]],
    },
    {
      name: 'what could not be verified is announced',
      scenes: [[0, [unknown('drill.verdict')], ['open critical drill.verdict shop']]],
    },
    {
      name: 'a breach that is still there shortly after says nothing new',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [critical('backup')], []],
      ],
    },
    {
      name: 'when it is well again the issue is closed',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['close backup shop']],
      ],
    },
    {
      name: 'what was closed and is well says nothing more',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['close backup shop']],
        [10, [well('backup')], []],
      ],
    },
    {
      name: 'an alert that no report names stays as it is',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5 * day, [well('drill')], []],
      ],
    },
    {
      name: 'the same check on two targets is two alerts',
      scenes: [
        [
          0,
          [critical('backup', 'shop'), critical('backup', 'blog')],
          ['open critical backup shop', 'open critical backup blog'],
        ],
        [5, [well('backup', 'blog'), critical('backup', 'shop')], ['close backup blog']],
      ],
    },
    {
      name: 'a check without a target is another alert than with one',
      scenes: [
        [0, [critical('backup', null)], ['open critical backup']],
        [5, [well('backup', 'shop')], []],
        [6, [well('backup', null)], ['close backup']],
      ],
    },
    {
      name: 'of two words on the same thing the newer one counts',
      scenes: [[10, [late(5, critical('backup')), well('backup')], []]],
    },
    {
      name: 'of two words at the same time the graver one counts',
      scenes: [[0, [well('backup'), critical('backup'), warning('backup')], ['open critical backup shop']]],
    },
    {
      name: 'a run that began earlier and ended later does not close what is newer',
      scenes: [
        [10, [critical('backup')], ['open critical backup shop']],
        [11, [late(5, well('backup'))], []],
      ],
    },
    {
      name: 'nor does it open again what is newer',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [10, [well('backup')], ['close backup shop']],
        [11, [late(5, critical('backup'))], []],
      ],
    },
    {
      name: 'what a rule switches off is never announced',
      alerts: { rules: [{ check: 'backup', enabled: false }] },
      scenes: [[0, [critical('backup')], []]],
    },
  ],
  'the body in place, and comments': [
    {
      name: 'values are brought up to date in the body, not in a comment',
      scenes: [
        [0, [critical('backup', 'shop', 1)], ['open critical backup shop']],
        [20, [critical('backup', 'shop', 2)], ['edit backup shop']],
      ],
    },
    {
      name: 'and not more often than alerts.refresh',
      scenes: [
        [0, [critical('backup', 'shop', 1)], ['open critical backup shop']],
        [14, [critical('backup', 'shop', 2)], []],
        [15, [critical('backup', 'shop', 3)], ['edit backup shop']],
        [16, [critical('backup', 'shop', 4)], []],
      ],
    },
    {
      name: 'a graver severity is a comment',
      scenes: [
        [0, [warning('backup')], ['open warning backup shop']],
        [1, [critical('backup')], ['comment severity backup shop']],
      ],
    },
    {
      name: 'a milder severity is a comment as well',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [1, [warning('backup')], ['comment severity backup shop']],
      ],
    },
    {
      name: 'the same severity is not',
      scenes: [
        [0, [warning('backup')], ['open warning backup shop']],
        [1, [critical('backup')], ['comment severity backup shop']],
        [2, [critical('backup')], []],
      ],
    },
    {
      name: 'after the repeat interval it is said again, once',
      alerts: { repeat: '4h' },
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [3 * hour, [critical('backup')], ['edit backup shop']],
        [4 * hour, [critical('backup')], ['comment repeat backup shop']],
        [4 * hour + 5, [critical('backup')], []],
        [8 * hour, [critical('backup')], ['comment repeat backup shop']],
      ],
    },
    {
      name: 'a job that runs once a day is said again each day',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [day - 20, [critical('backup')], ['comment repeat backup shop']],
        [2 * day - 30, [critical('backup')], ['comment repeat backup shop']],
      ],
    },
    {
      name: 'repeat 0s never says it again',
      alerts: { repeat: '0s' },
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [30 * day, [critical('backup')], ['edit backup shop']],
      ],
    },
    {
      name: 'a change of severity begins the repeat interval anew',
      alerts: { repeat: '4h' },
      scenes: [
        [0, [warning('backup')], ['open warning backup shop']],
        [3 * hour, [critical('backup')], ['comment severity backup shop']],
        [4 * hour, [critical('backup')], ['edit backup shop']],
        [7 * hour, [critical('backup')], ['comment repeat backup shop']],
      ],
    },
    {
      name: 'a rule may repeat one check more often than the others',
      alerts: { rules: [{ check: 'back*', repeat: '1h' }] },
      scenes: [
        [0, [critical('backup'), critical('drill')], ['open critical backup shop', 'open critical drill shop']],
        [hour, [critical('backup'), critical('drill')], ['comment repeat backup shop', 'edit drill shop']],
      ],
    },
  ],
  'enter and exit thresholds': [
    { name: 'below the enter threshold nothing is announced', alerts: cpu, scenes: [[0, [value(84.9)], []]] },
    { name: 'at the enter threshold it is', alerts: cpu, scenes: [[0, [value(85)], ['open warning cpu shop']]] },
    {
      name: 'beyond the critical one it is critical at once',
      alerts: cpu,
      scenes: [[0, [value(99)], ['open critical cpu shop']]],
    },
    {
      name: 'between enter and exit it stays',
      alerts: cpu,
      scenes: [
        [0, [value(86)], ['open warning cpu shop']],
        [1, [value(80)], []],
        [2, [value(75.1)], []],
      ],
    },
    {
      name: 'at the exit threshold it is over',
      alerts: cpu,
      scenes: [
        [0, [value(86)], ['open warning cpu shop']],
        [1, [value(75)], ['close cpu shop']],
      ],
    },
    {
      name: 'between enter and exit nothing begins',
      alerts: cpu,
      scenes: [
        [0, [value(86)], ['open warning cpu shop']],
        [1, [value(70)], ['close cpu shop']],
        [2, [value(80)], []],
      ],
    },
    {
      name: 'critical becomes a warning only below its own exit',
      alerts: cpu,
      scenes: [
        [0, [value(96)], ['open critical cpu shop']],
        [1, [value(90)], []],
        [2, [value(85)], ['comment severity cpu shop']],
        [3, [value(76)], []],
        [4, [value(74)], ['close cpu shop']],
      ],
    },
    {
      name: 'a fall from critical to well closes it',
      alerts: cpu,
      scenes: [
        [0, [value(96)], ['open critical cpu shop']],
        [1, [value(10)], ['close cpu shop']],
      ],
    },
    {
      name: 'what may not fall has its thresholds the other way round',
      alerts: disk,
      scenes: [
        [0, [value(21)], []],
        [1, [value(20)], ['open warning cpu shop']],
        [2, [value(29)], []],
        [3, [value(4)], ['comment severity cpu shop']],
        [4, [value(6)], ['comment severity cpu shop']],
        [5, [value(30)], ['close cpu shop']],
      ],
    },
    {
      name: 'a rule without thresholds leaves it to the check',
      alerts: { rules: [{ check: 'cpu', for: '0s' }] },
      scenes: [[0, [critical('cpu', 'shop', 3)], ['open critical cpu shop']]],
    },
    {
      name: 'what was not measured is not compared',
      alerts: cpu,
      scenes: [[0, [unknown('cpu')], ['open critical cpu shop']]],
    },
    {
      name: 'a later rule is laid over an earlier one',
      alerts: { rules: [...cpu.rules, { check: 'cpu', target: 'blog', warning: 50 }] },
      scenes: [[0, [value(60, 'cpu', 'blog'), value(60, 'cpu', 'shop')], ['open warning cpu blog']]],
    },
  ],
  'for: it must have lasted': [
    {
      name: 'a young breach is remembered and not announced',
      alerts: patient,
      scenes: [[0, [critical('backup')], ['remember backup shop']]],
    },
    {
      name: 'it is announced when it was measured for long enough',
      alerts: patient,
      scenes: [
        [0, [critical('backup')], ['remember backup shop']],
        [10, [critical('backup')], []],
        [15, [critical('backup')], ['open critical backup shop', 'forget backup shop']],
      ],
    },
    {
      name: 'one that passes before that is forgotten',
      alerts: patient,
      scenes: [
        [0, [critical('backup')], ['remember backup shop']],
        [10, [well('backup')], ['forget backup shop']],
        [20, [critical('backup')], ['remember backup shop']],
      ],
    },
    {
      name: 'it is time that counts, not runs: two readings twelve hours apart are enough',
      alerts: patient,
      scenes: [
        [0, [critical('backup')], ['remember backup shop']],
        [12 * hour, [critical('backup')], ['open critical backup shop', 'forget backup shop']],
      ],
    },
    {
      name: 'runs of other kinds do not make it older',
      alerts: patient,
      scenes: [
        [0, [critical('backup')], ['remember backup shop']],
        [hour, [well('drill')], []],
      ],
    },
    {
      name: 'a breach inside a value between enter and exit does not count as lasting',
      alerts: { rules: [{ ...cpu.rules[0]!, for: '15m' }] },
      scenes: [
        [0, [value(90)], ['remember cpu shop']],
        [15, [value(80)], ['forget cpu shop']],
      ],
    },
    {
      name: 'it has to last before a reopening as well',
      alerts: patient,
      scenes: [
        [0, [critical('backup')], ['remember backup shop']],
        [15, [critical('backup')], ['open critical backup shop', 'forget backup shop']],
        [20, [well('backup')], ['close backup shop']],
        [25, [critical('backup')], ['remember backup shop']],
        [40, [critical('backup')], ['reopen critical backup shop', 'forget backup shop']],
      ],
    },
  ],
  'recovery hold': [
    {
      name: 'well for a moment does not close it',
      alerts: held,
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['edit backup shop']],
      ],
    },
    {
      name: 'well for as long as the hold closes it',
      alerts: held,
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['edit backup shop']],
        [19, [well('backup')], []],
        [20, [well('backup')], ['close backup shop']],
      ],
    },
    {
      name: 'a relapse within the hold is the same alert, without a word',
      alerts: held,
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['edit backup shop']],
        [10, [critical('backup')], ['edit backup shop']],
        [24, [well('backup')], ['edit backup shop']],
        [38, [well('backup')], []],
        [39, [well('backup')], ['close backup shop']],
      ],
    },
    {
      name: 'a run of any kind closes what has been well for long enough',
      alerts: held,
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['edit backup shop']],
        [hour, [well('drill')], ['close backup shop']],
      ],
    },
    {
      name: 'a graver relapse is announced',
      alerts: held,
      scenes: [
        [0, [warning('backup')], ['open warning backup shop']],
        [5, [well('backup')], ['edit backup shop']],
        [10, [critical('backup')], ['comment severity backup shop']],
      ],
    },
  ],
  'reopen window': [
    {
      name: 'breached again within the window, the same issue is reopened',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [day, [well('backup')], ['close backup shop']],
        [2 * day, [critical('backup')], ['reopen critical backup shop']],
      ],
    },
    {
      name: 'later, it is a new issue',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [day, [well('backup')], ['close backup shop']],
        [8 * day + 1, [critical('backup')], ['open critical backup shop']],
      ],
    },
    {
      name: 'a window of nothing means a new issue each time',
      alerts: { reopenWindow: '0s' },
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['close backup shop']],
        [6, [critical('backup')], ['open critical backup shop']],
      ],
    },
    {
      name: 'it comes back with the severity it has now',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['close backup shop']],
        [6, [warning('backup')], ['reopen warning backup shop']],
      ],
    },
    {
      name: 'of several old issues the last one is reopened',
      alerts: { reopenWindow: '1h' },
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['close backup shop']],
        [5 * hour, [critical('backup')], ['open critical backup shop']],
        [6 * hour, [well('backup')], ['close backup shop']],
        [6 * hour + 30, [critical('backup')], ['reopen critical backup shop']],
      ],
    },
  ],
  'what people do': [
    {
      name: 'closed by a person while it is breached, it stays closed',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [10, [personCloses(backup)], []],
        [20, [critical('backup')], []],
        [3 * day, [critical('backup')], []],
      ],
    },
    {
      name: 'also when it gets graver',
      scenes: [
        [0, [warning('backup')], ['open warning backup shop']],
        [10, [personCloses(backup), critical('backup')], []],
      ],
    },
    {
      name: 'when it was well and is breached again, it is reopened',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [10, [personCloses(backup), critical('backup')], []],
        [20, [well('backup')], ['edit backup shop']],
        [30, [critical('backup')], ['reopen critical backup shop']],
      ],
    },
    {
      name: 'well for less than the hold does not count as that',
      alerts: held,
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [10, [personCloses(backup)], []],
        [20, [well('backup')], ['edit backup shop']],
        [25, [critical('backup')], ['edit backup shop']],
        [40, [critical('backup')], []],
        [50, [well('backup')], ['edit backup shop']],
        [65, [well('backup')], ['edit backup shop']],
        [70, [critical('backup')], ['reopen critical backup shop']],
      ],
    },
    {
      name: 'it is written to within a month, so that it stays among those that are listed',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [10, [personCloses(backup)], []],
        [29 * day, [critical('backup')], []],
        [31 * day, [critical('backup')], ['edit backup shop']],
        [40 * day, [critical('backup')], []],
      ],
    },
    {
      name: 'one that a person reopened is left to them while it is well',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['close backup shop']],
        [10, [personReopens(backup), well('backup')], []],
        [3 * day, [well('backup')], []],
      ],
    },
    {
      name: 'and taken up when it is breached again, also after the window',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [well('backup')], ['close backup shop']],
        [10, [personReopens(backup), well('backup')], []],
        [30 * day, [critical('backup')], ['comment reopened backup shop']],
        [30 * day + 5, [well('backup')], ['close backup shop']],
      ],
    },
    {
      name: 'one that a person closed and reopened goes on',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [10, [personCloses(backup), critical('backup')], []],
        [20, [personReopens(backup), well('backup')], ['close backup shop']],
      ],
    },
    {
      name: 'one that a person deleted is opened anew',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [10, [personDeletes(backup), critical('backup')], ['open critical backup shop']],
      ],
    },
  ],
  twins: [
    {
      name: 'of two open issues of one alert the younger is merged into the older',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [twin(backup), critical('backup')], ['merge #2 into #1']],
        [10, [critical('backup')], []],
      ],
    },
    {
      name: 'of three, two',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [twin(backup), twin(backup)], ['merge #2 into #1', 'merge #3 into #1']],
      ],
    },
    {
      name: 'a merged twin is never reopened, the older one is',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [twin(backup)], ['merge #2 into #1']],
        [10, [well('backup')], ['close backup shop']],
        [15, [critical('backup')], ['reopen critical backup shop']],
      ],
    },
    {
      name: 'a twin that a person closed does not stand in the way later',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [twin(backup), personCloses(backup), critical('backup')], []],
        [30, [well('backup')], ['close backup shop']],
        [40, [critical('backup')], ['reopen critical backup shop']],
      ],
    },
    {
      name: 'twins that are both well: one is merged, the other closed',
      scenes: [
        [0, [critical('backup')], ['open critical backup shop']],
        [5, [twin(backup), well('backup')], ['close backup shop', 'merge #2 into #1']],
      ],
    },
  ],
  storms: [
    {
      name: 'as many as the limit are opened one by one',
      alerts: { stormLimit: 3 },
      scenes: [[0, many(3), many(3).map(each => `open critical ${'id' in each ? each.id : ''} shop`)]],
    },
    {
      name: 'one more, and all of them are one issue',
      alerts: { stormLimit: 3 },
      scenes: [[0, many(4), ['open critical ops.storm']]],
    },
    {
      name: 'the storm closes with its last member',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, many(3, well), ['edit ops.storm']],
        [10, many(4, well), ['close ops.storm']],
      ],
    },
    {
      name: 'a storm that goes on says nothing',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, many(4), []],
      ],
    },
    {
      name: 'who joins a storm is announced in it',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, many(6), ['comment joined ops.storm']],
        [6, many(6), []],
      ],
    },
    {
      name: 'what has an issue of its own keeps it',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, [critical('check00')], ['open critical check00 shop']],
        [5, many(4), ['open critical ops.storm']],
        [10, many(4, well), ['close check00 shop', 'close ops.storm']],
      ],
    },
    {
      name: 'alerts that came one by one count as well',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(3), many(3).map(each => `open critical ${'id' in each ? each.id : ''} shop`)],
        [5, [critical('check03')], ['open critical ops.storm']],
      ],
    },
    {
      name: 'after the storm things are announced one by one again',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, many(4, well), ['close ops.storm']],
        [10, [critical('check00')], ['open critical check00 shop']],
      ],
    },
    {
      name: 'a second storm within the window reopens the first',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, many(4, well), ['close ops.storm']],
        [10, many(5), ['reopen critical ops.storm']],
      ],
    },
    {
      name: 'a storm that gets graver is a comment',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4, warning), ['open warning ops.storm']],
        [5, many(4), ['comment severity ops.storm']],
      ],
    },
    {
      name: 'a storm is said again after the repeat interval',
      alerts: { stormLimit: 3, repeat: '4h' },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [4 * hour, many(4), ['comment repeat ops.storm']],
      ],
    },
    {
      name: 'a member that is well for less than its hold is still in it',
      alerts: { stormLimit: 3, ...held },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, many(4, well), ['edit ops.storm']],
        [10, [critical('check00')], ['edit ops.storm']],
        [20, [], ['edit ops.storm']],
        [21, [well('check00')], ['edit ops.storm']],
        [36, [], ['close ops.storm']],
      ],
    },
    {
      name: 'a storm that a person closed stays closed for its members',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, [personCloses('ops.storm'), ...many(4)], []],
        [10, many(4, well), ['edit ops.storm']],
        [15, [critical('check00')], ['open critical check00 shop']],
      ],
    },
    {
      name: 'and is reopened for those that were not in it',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, [personCloses('ops.storm'), ...many(6)], ['reopen critical ops.storm']],
      ],
    },
    {
      name: 'more members than a body holds are counted, and do not come again each time',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(300), ['open critical ops.storm']],
        [5, many(300), []],
        [10, many(300, well), ['close ops.storm']],
      ],
    },
    {
      name: 'as long as a storm has members that its body has no room for, it goes on, although the limit would allow them',
      alerts: { stormLimit: 100 },
      scenes: [
        [0, many(101, longWinded(critical)), ['open critical ops.storm']],
        [5, [...many(101, longWinded(critical)).slice(1), ...many(1, longWinded(well))], ['edit ops.storm']],
        [10, many(101, longWinded(critical)).slice(1), []],
      ],
    },
    {
      name: 'twins of a storm are merged, too',
      alerts: { stormLimit: 3 },
      scenes: [
        [0, many(4), ['open critical ops.storm']],
        [5, [twin('ops.storm'), ...many(4)], ['merge #2 into #1']],
      ],
    },
  ],
  inhibition: [
    {
      name: 'a database that is down silences what follows from it',
      scenes: [
        [
          0,
          [critical(databaseDown), critical('monitor.database.connections'), warning('database.bloat')],
          [
            'open critical monitor.database.up shop',
            'remember monitor.database.connections shop',
            'remember database.bloat shop',
          ],
        ],
      ],
    },
    {
      name: 'and not what was measured on another database',
      scenes: [
        [
          0,
          [critical(databaseDown, 'shop'), critical('database.bloat', 'blog')],
          ['open critical monitor.database.up shop', 'open critical database.bloat blog'],
        ],
      ],
    },
    {
      name: 'unless the configuration says any target',
      alerts: { inhibitions: [{ source: databaseDown, silences: ['web.*'], sameTarget: false }] },
      scenes: [
        [
          0,
          [critical(databaseDown, 'db1'), critical('web.up', 'shop')],
          ['open critical monitor.database.up db1', 'remember web.up shop'],
        ],
      ],
    },
    {
      name: 'a cause that is only a warning silences nothing',
      scenes: [
        [
          0,
          [warning(databaseDown), critical('database.bloat')],
          ['open critical database.bloat shop', 'open warning monitor.database.up shop'],
        ],
      ],
    },
    {
      name: 'what is still breached when the cause is well is announced, with the time it began',
      scenes: [
        [
          0,
          [critical(databaseDown), critical('database.bloat')],
          ['open critical monitor.database.up shop', 'remember database.bloat shop'],
        ],
        [
          30,
          [well(databaseDown), critical('database.bloat')],
          ['open critical database.bloat shop', 'close monitor.database.up shop', 'forget database.bloat shop'],
        ],
      ],
    },
    {
      name: 'a cause that is announced and not measured now still silences',
      scenes: [
        [0, [critical(databaseDown)], ['open critical monitor.database.up shop']],
        [5, [critical('database.bloat')], ['remember database.bloat shop']],
      ],
    },
    {
      name: 'so does one that a person has seen and closed',
      scenes: [
        [0, [critical(databaseDown)], ['open critical monitor.database.up shop']],
        [5, [personCloses(`${databaseDown} shop`), critical('database.bloat')], ['remember database.bloat shop']],
      ],
    },
    {
      name: 'what was open before is not said again meanwhile, and closes when it is well',
      alerts: { repeat: '1h' },
      scenes: [
        [0, [critical('database.bloat')], ['open critical database.bloat shop']],
        [
          2 * hour,
          [critical(databaseDown), critical('database.bloat')],
          ['open critical monitor.database.up shop', 'edit database.bloat shop'],
        ],
        [
          3 * hour,
          [critical(databaseDown), well('database.bloat')],
          ['comment repeat monitor.database.up shop', 'close quietly database.bloat shop'],
        ],
      ],
    },
    {
      name: 'two rules that point at each other do not silence everything',
      alerts: {
        inhibitions: [
          { source: 'a', silences: ['b'] },
          { source: 'b', silences: ['a'] },
        ],
      },
      scenes: [[0, [critical('a'), critical('b')], ['open critical a shop', 'remember b shop']]],
    },
    {
      name: 'a rule never silences its own cause',
      alerts: { inhibitions: [{ source: 'a*', silences: ['*'] }] },
      scenes: [
        [
          0,
          [critical('a1'), critical('a2'), critical('b')],
          ['open critical a1 shop', 'open critical a2 shop', 'remember b shop'],
        ],
      ],
    },
    {
      name: 'a storm whose members hold the cause silences as well',
      alerts: { stormLimit: 2 },
      scenes: [
        [0, [critical(databaseDown), critical('x'), critical('y')], ['open critical ops.storm']],
        [5, [critical('database.bloat')], ['remember database.bloat shop']],
      ],
    },
  ],
  'silences and maintenance': [
    {
      name: 'a silence keeps it quiet until it ends, and then it is announced',
      alerts: { silences: [{ until: '2026-11-23T01:00', reason: 'migration' }] },
      scenes: [
        [0, [critical('backup')], ['remember backup shop']],
        [59, [critical('backup')], []],
        [60, [critical('backup')], ['open critical backup shop', 'forget backup shop']],
      ],
    },
    {
      name: 'what passes within it is never announced',
      alerts: { silences: [{ until: '2026-11-23T01:00', reason: 'migration' }] },
      scenes: [
        [0, [critical('backup')], ['remember backup shop']],
        [30, [well('backup')], ['forget backup shop']],
        [90, [well('backup')], []],
      ],
    },
    {
      name: 'a silence that begins later does not silence yet',
      alerts: { silences: [{ from: '2026-11-23T01:00', until: '2026-11-23T02:00', reason: 'migration' }] },
      scenes: [[0, [critical('backup')], ['open critical backup shop']]],
    },
    {
      name: 'a silence of other checks does not silence',
      alerts: { silences: [{ checks: ['drill.*'], until: '2026-11-24', reason: 'migration' }] },
      scenes: [
        [0, [critical('backup'), critical('drill.rto')], ['open critical backup shop', 'remember drill.rto shop']],
      ],
    },
    {
      name: 'nor one of another target',
      alerts: { silences: [{ targets: ['blog'], until: '2026-11-24', reason: 'migration' }] },
      scenes: [
        [
          0,
          [critical('backup', 'shop'), critical('backup', 'blog')],
          ['open critical backup shop', 'remember backup blog'],
        ],
      ],
    },
    {
      name: 'a graver severity within a silence is announced when it ends',
      alerts: { silences: [{ from: '2026-11-23T00:30', until: '2026-11-23T01:00', reason: 'migration' }] },
      scenes: [
        [0, [warning('backup')], ['open warning backup shop']],
        [30, [critical('backup')], ['edit backup shop']],
        [60, [critical('backup')], ['comment severity backup shop']],
      ],
    },
    {
      name: 'an open alert that is well within a silence is closed without a word',
      alerts: { silences: [{ from: '2026-11-23T00:30', until: '2026-11-23T01:00', reason: 'migration' }] },
      scenes: [
        [0, [warning('backup')], ['open warning backup shop']],
        [30, [well('backup')], ['close quietly backup shop']],
      ],
    },
    {
      name: 'a closed one is not reopened within it',
      alerts: { silences: [{ from: '2026-11-23T00:30', until: '2026-11-23T01:00', reason: 'migration' }] },
      scenes: [
        [0, [warning('backup')], ['open warning backup shop']],
        [10, [well('backup')], ['close backup shop']],
        [30, [critical('backup')], ['remember backup shop']],
        [60, [critical('backup')], ['reopen critical backup shop', 'forget backup shop']],
      ],
    },
    {
      name: 'a maintenance window comes every week at the same local time',
      // 2026-11-23 is a Monday; Berlin is an hour ahead.
      alerts: { maintenance: [{ name: 'updates', days: ['mon'], from: '02:00', to: '04:00', zone: 'Europe/Berlin' }] },
      scenes: [
        [59, [critical('a')], ['open critical a shop']],
        [60, [critical('b')], ['remember b shop']],
        [179, [critical('b')], []],
        [180, [critical('b')], ['open critical b shop', 'forget b shop']],
        [day + 90, [critical('c')], ['open critical c shop']],
        [7 * day + 90, [critical('d')], ['remember d shop']],
      ],
    },
    {
      name: 'in summer it is an hour earlier by UTC',
      begins: '2026-07-20T00:00:00Z',
      alerts: { maintenance: [{ name: 'updates', days: ['mon'], from: '02:00', to: '04:00', zone: 'Europe/Berlin' }] },
      scenes: [
        [0, [critical('a')], ['remember a shop']],
        [120, [critical('a')], ['open critical a shop', 'forget a shop']],
      ],
    },
    {
      name: 'a window over midnight belongs to the day on which it begins',
      // The story begins in the night from Sunday to Monday.
      alerts: { maintenance: [{ name: 'updates', days: ['sun'], from: '23:00', to: '01:00' }] },
      scenes: [
        [0, [critical('a')], ['remember a shop']],
        [2 * hour, [critical('a')], ['open critical a shop', 'forget a shop']],
        [6 * day + 23 * hour, [critical('b')], ['remember b shop']],
        [7 * day + 59, [critical('b')], []],
        [7 * day + 60, [critical('b')], ['open critical b shop', 'forget b shop']],
      ],
    },
    {
      name: 'a cause in maintenance still silences what follows from it',
      alerts: { silences: [{ checks: [databaseDown], until: '2026-11-24', reason: 'migration' }] },
      scenes: [
        [
          0,
          [critical(databaseDown), critical('database.bloat')],
          ['remember monitor.database.up shop', 'remember database.bloat shop'],
        ],
      ],
    },
  ],
};

for (const [chapter, list] of Object.entries(stories)) {
  describe(chapter, () => {
    it.each(list)('$name', ({ alerts, scenes, begins }) => {
      play(
        alerts ?? {},
        scenes,
        ([minutes, , expected], done, again) => {
          expect(done.toSorted(), `after ${minutes} min`).toEqual(expected.toSorted());
          expect(again, `asked again after ${minutes} min`).toEqual([]);
        },
        begins ? new Date(begins) : undefined,
      );
    });
  });
}

describe('the state that issues carry', () => {
  const last = (alerts: AlertsInput, scenes: readonly Scene[]) => {
    let body = '';
    play(alerts, scenes, (_scene, _done, _again, model) => {
      body = model.issues.at(-1)?.body ?? '';
    });
    return body;
  };

  it('says since when it is breached, also when it was silent before', () => {
    const silences = [{ until: '2026-11-23T01:00', reason: 'migration' }];
    const body = last({ silences }, [
      [7, [critical('backup')], []],
      [60, [critical('backup')], []],
    ]);
    expect(body).toContain('**Critical** since 2026-11-23 00:07 UTC');
  });

  it('counts how often it was opened, and begins a new time each time', () => {
    const body = last({}, [
      [0, [critical('backup')], []],
      [5, [well('backup')], []],
      [30, [critical('backup')], []],
    ]);
    expect(body).toContain('| Times opened | 2 |');
    expect(body).toContain('**Critical** since 2026-11-23 00:30 UTC');
  });

  it('keeps the values of an episode for the chart', () => {
    const values = [3, 1, 4, 1, 5, 9, 2, 6];
    const body = last(
      { refresh: '0s' },
      values.map((each, index) => [index * 20, [critical('backup', 'shop', each)], []] as const),
    );
    expect(body).toContain('▃▁▄▁▅█▂▅');
    expect(body).toContain('min 1 · max 9 · now 6');
  });
});
