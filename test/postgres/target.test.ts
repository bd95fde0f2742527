import { userInfo } from 'node:os';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { libpqEnv, parsePostgresUrl, withDatabase } from '../../actions/lib/postgres/index.ts';

describe('a database URL', () => {
  test.each([
    [
      'postgres://ann:s3cret@db.example:6000/crafts',
      { host: 'db.example', port: 6000, user: 'ann', database: 'crafts' },
    ],
    ['postgresql://ann@db.example/crafts', { host: 'db.example', port: 5432, user: 'ann' }],
    ['postgresql://ann@db.example', { database: 'ann' }],
    ['postgres:///crafts', { host: 'localhost', user: userInfo().username, database: 'crafts' }],
    ['postgres://a%40b:p%2Fw%40x%25@h/d%20b', { user: 'a@b', password: 'p/w@x%', database: 'd b' }],
    ['postgres://ann:with@sign@h/d', { password: 'with@sign', host: 'h' }],
    ['postgres://ann:hash#tag@h/d', { password: 'hash#tag' }],
    ['postgres://ann@[2001:db8::1]:6000/d', { host: '2001:db8::1', port: 6000 }],
    ['postgres://ann@/d?host=/run/postgresql', { host: '/run/postgresql', port: 5432 }],
    ['postgres:///d?host=/run/postgresql&port=6000&user=ann&password=pw', { port: 6000, user: 'ann', password: 'pw' }],
    ['postgres://%2Frun%2Fpostgresql/d', { host: '/run/postgresql', database: 'd' }],
    ['postgres://ann@%2Frun%2Fpostgresql:6000/d', { host: '/run/postgresql', port: 6000, user: 'ann' }],
    [
      'postgres://h/d?sslmode=verify-full&sslrootcert=/etc/ca.pem',
      { sslmode: 'verify-full', sslrootcert: '/etc/ca.pem' },
    ],
    ['postgres://h/d?options=-c%20search_path%3Dapp', { options: '-c search_path=app' }],
    [
      'postgres://h/d?channel_binding=require&connect_timeout=5',
      { channelBinding: 'require', connectTimeoutSeconds: 5 },
    ],
    ['postgres://h/d?schema=public&connection_limit=3&pgbouncer=true', { saysPooler: true, database: 'd' }],
    ['  postgres://h/d\n', { host: 'h', database: 'd' }],
  ])('%s', (url, expected) => {
    expect(parsePostgresUrl(url)).toMatchObject(expected);
  });

  test.each([
    ['postgres://ann:s3cret@db.example:6000/crafts', 'postgres://ann@db.example:6000/crafts'],
    ['postgres://ann:s3cret@db.example/crafts?sslmode=require', 'postgres://ann@db.example:5432/crafts'],
    ['postgres://ann:s3cret@/crafts?host=/run/postgresql', 'postgres://ann@/crafts?host=/run/postgresql'],
  ])('is shown without its secret: %s', (url, shown) => {
    expect(parsePostgresUrl(url).display).toBe(shown);
  });

  test.each([
    ['mysql://ann:s3cret@h/d'],
    ['ann:s3cret@h/d'],
    ['postgres://ann:s3cret@h:port/d'],
    ['postgres://ann:s3cret@h:70000/d'],
    ['postgres://ann:s3c/ret@h/d'],
    ['postgres://ann:s3cret%@h/d'],
    ['postgres://ann:s3cret@h1,h2/d'],
    ['postgres://ann:s3cret@h/d?sslmode=maybe-s3cret'],
    ['postgres://ann:s3cret@h/d?password=s3cret%zz'],
    ['postgres://ann:s3cret@h\nx/d'],
  ])('that is wrong is refused as a usage error, and its password is not repeated: %s', url => {
    const error = refusal(url);
    expect(error).toMatchObject({ code: 'PG_URL', exitCode: 2 });
    expect(error.hint).toBeTruthy();
    expect(`${error.stack} ${error.hint} ${String(error.cause)}`).not.toMatch(/s3c|ret@/);
  });
});

const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(text => !/[\0\r\n]/.test(text));

test('whatever is in user, password and database comes back from the canonical URL', () => {
  const target = fc.record({
    user: word,
    password: word,
    database: word,
    host: fc.constantFrom('db.example', '10.0.0.1', '2001:db8::1', '/run/postgresql', '/tmp/a folder/ü'),
    port: fc.integer({ min: 1, max: 65_535 }),
  });
  fc.assert(
    fc.property(target, parts => {
      const { user, password, database, host, port } = parts;
      const code = encodeURIComponent;
      const place = host.includes(':') ? `[${host}]` : code(host);
      const read = parsePostgresUrl(`postgres://${code(user)}:${code(password)}@${place}:${port}/${code(database)}`);
      expect(read).toMatchObject(parts);
      expect(parsePostgresUrl(read.url)).toEqual(read);
      expect(parsePostgresUrl(read.display)).toEqual(parsePostgresUrl(withoutPassword(read.url, password)));
    }),
  );
});

test('another database of the same server keeps all the rest', () => {
  const target = parsePostgresUrl('postgres://ann:s3cret@h:6000/d?sslmode=require');
  const other = withDatabase(target, 'Süd & Nord');
  expect(other).toEqual({ ...target, database: 'Süd & Nord', url: other.url, display: other.display });
  expect(parsePostgresUrl(other.url)).toEqual(other);
});

test('libpq programs get the target in their environment', () => {
  const target = parsePostgresUrl('postgres://ann:s3cret@h:6000/d?sslmode=require&options=-c%20a.b%3D1');
  expect(libpqEnv(target)).toMatchObject({
    PGHOST: 'h',
    PGPORT: '6000',
    PGUSER: 'ann',
    PGDATABASE: 'd',
    PGPASSWORD: 's3cret',
    PGSSLMODE: 'require',
    PGOPTIONS: '-c a.b=1',
    PGAPPNAME: 'production-ops',
  });
  expect(libpqEnv(parsePostgresUrl('postgres://ann@h/d'))).not.toHaveProperty('PGPASSWORD');
});

function refusal(url: string): OpsError {
  try {
    parsePostgresUrl(url);
  } catch (thrown) {
    if (thrown instanceof OpsError) return thrown;
    throw thrown;
  }
  throw new Error(`accepted ${url}`);
}

function withoutPassword(url: string, password: string): string {
  return url.replace(`:${encodeURIComponent(password)}@`, '@');
}
