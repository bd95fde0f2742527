import { failedRun, type Runbook, type Runbooks } from './runbook.ts';

const analyze = 'npm run ops -- database analyze';
const connections = 'npm run ops -- database connections';

/** A finding of the analysis: the report names each object, with the exact statement that mends it. */
function finding(title: string, meaning: string, ...steps: string[]): () => Runbook {
  return () => ({
    title,
    meaning,
    steps: [...steps, 'The report names each one, with the statement that mends it. Read it before you run it.'],
    commands: [analyze],
  });
}

/** What the analysis of a database and of its connections finds. */
export const databaseRunbooks: Runbooks = {
  'database.analyze.run': () => failedRun('The analysis of the database', analyze, 'database.yml -f mode=analyze'),
  'database.connections.run': () =>
    failedRun('The look at the connections', connections, 'database.yml -f mode=connections'),
  'database.advise.run': () =>
    failedRun('The index advisor', 'npm run ops -- database advise', 'database.yml -f mode=advise'),
  'database.seen': finding(
    'Parts of the database could not be looked at',
    'The role may not see them, so nothing is known of them: that is not the same as well.',
    'Grant what the report names, for most of it: GRANT pg_monitor TO the role of DATABASE_URL.',
  ),
  'database.statements.counted': finding(
    'The server does not count its statements',
    'Without pg_stat_statements nobody can say which statements are slow, or since when.',
    'Put pg_stat_statements into shared_preload_libraries, restart, and CREATE EXTENSION in this database.',
  ),
  'database.statements.*': finding(
    'Statements cost more than they should',
    'They are slow, slower than before, called very often, or take a large share of all time of the server.',
    'Look at the plan in the report first: what costs is named there.',
    'An index may be missing: the advisor proves on a copy which one would help.',
  ),
  'database.plans': finding(
    'Plans could not be read',
    'The server did not explain some statements, so what makes them slow is not known.',
    'Most often a table is gone or the role may not read it; the report names the statement and the reason.',
  ),
  'database.connections.used': () => ({
    title: 'Connections are running out',
    meaning: 'When none is left the application is refused, and so is whoever wants to look why.',
    steps: [
      'See who holds them: by user, application and state. Idle ones belong to pools that are too large, or leak.',
      'Make the pools smaller, or put PgBouncer in front. A higher max_connections costs memory and needs a restart.',
    ],
    commands: [connections],
  }),
  'database.connections.forecast': () => ({
    title: 'Connections will run out',
    meaning: 'If they go on growing as they did, none will be left within the time that the message names.',
    steps: ['See which application grows, and give it a smaller pool or a pooler before that day.'],
    commands: [connections],
  }),
  'database.connections.*': () => ({
    title: 'Connections wait, or keep others waiting',
    meaning: 'Sessions sit idle inside a transaction, or clients wait for a connection of the pool.',
    steps: [
      'Find the application in the report: a transaction is begun there and not ended, or work is done in between.',
      'Set idle_in_transaction_session_timeout for its role, so that it cannot block others for ever.',
    ],
    commands: [connections],
  }),
  'database.transactions.*': finding(
    'A transaction has been open for long',
    'It keeps VACUUM from cleaning up in the whole database, and may hold locks.',
    'See in the report who it is. Ask before you end it with pg_terminate_backend, or roll a prepared one back.',
  ),
  'database.blocked': finding(
    'Sessions wait for a lock',
    'One session holds what others need; the report shows who waits for whom.',
    'End the first of the chain, not those who wait. A migration without lock_timeout is the usual cause.',
  ),
  'database.indexes.drift': () => ({
    title: 'Indexes differ from what is declared',
    meaning: 'The database has not the indexes that `database.indexes` of `.github/ops.yml` says it should have.',
    steps: [
      'Build what is missing, or change the declaration: one of the two is out of date.',
      'An index that has a declared name and is another one is never touched: drop or rename it yourself, with the statement in the report.',
    ],
    commands: [analyze, 'npm run ops -- database apply --declared --dry-run'],
  }),
  'database.indexes.*': finding(
    'Indexes cost more than they give',
    'They are unused, twice there, invalid, bloated, or full of NULLs: every write pays for them.',
    'An index that is unused here may be used on a replica, or once a quarter: see the window in the report.',
  ),
  'database.foreign-keys.*': finding(
    'Foreign keys without an index',
    'Every delete in the table they point to reads the whole table that holds them.',
  ),
  'database.constraints.*': finding(
    'Constraints that were never validated',
    'New rows are checked, and old ones may break the rule.',
  ),
  'database.tables.*': finding(
    'Tables need care',
    'They have no primary key, many dead rows, bloat, old statistics, no autovacuum, or are read whole.',
  ),
  'database.cache.*': finding(
    'The cache is too small for what is read',
    'Much comes from the disk that would come from memory on a larger shared_buffers, or with better indexes.',
  ),
  'database.wraparound.*': finding(
    'Transaction ids are running out',
    'When they do, the server stops taking writes until it is vacuumed by hand.',
    'Look for what holds VACUUM up first: an old transaction, a prepared one, a replication slot.',
  ),
  'database.sequences': finding(
    'A sequence is near its end',
    'At its end every insert into its table fails.',
    'Change the column to bigint while there is time: on a large table that takes a rewrite, or a second column.',
  ),
  'database.replication.*': finding(
    'Replication is behind, or a slot holds WAL back',
    'A replica that is behind serves old rows; a slot that nobody reads fills the disk.',
    'A slot of a replica that is gone for good: drop it.',
  ),
  'database.disk': finding('The disk is filling up', 'A full disk stops the server.'),
  'database.size*': finding(
    'The database grows fast',
    'Its size in the report before and now says by how much; the tables that grew are listed.',
  ),
  'database.settings': finding(
    'Settings do not fit the machine',
    'The planner or the server works with wrong numbers.',
  ),
  'database.extensions': finding(
    'Extensions are out of date',
    'The server has a newer version than the database uses.',
  ),
  'database.encryption': finding(
    'Connections are not encrypted',
    'Passwords and rows go over the network in the clear.',
  ),
  'database.rollbacks': finding('Many transactions are rolled back', 'The application fails often, or retries.'),
  'database.deadlocks': finding(
    'Transactions lock each other out',
    'Transactions lock rows in different orders, and one of them is killed.',
  ),
  'database.temp': finding(
    'Sorts and hashes spill to the disk',
    'work_mem is too small for some statements, or an index is missing for their order.',
  ),
};
