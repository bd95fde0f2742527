import { randomBytes } from 'node:crypto';
import { connect, type PostgresTarget, pgError, quoteLiteral, withUser } from '../../postgres/index.ts';

const role = 'production_ops_prover';

/**
 * Gives everything in a throw-away copy to a role of its own that is no superuser, and returns how to log in as it. The
 * statements of a workload are text that anybody with a login in production could have had recorded: here they can
 * read and change the copy, and neither files nor programs of this machine. As the owner of the tables the role may
 * build and drop indexes in the transaction that it measures in. Row security does not hide rows from it, and event
 * triggers are off. Throws the codes of `pgError`.
 *
 * @param admin a superuser of the throw-away server; never a server that somebody else uses
 */
export async function giveToProver(admin: PostgresTarget, signal: AbortSignal): Promise<PostgresTarget> {
  const password = randomBytes(24).toString('base64url');
  const client = await connect(admin, { applicationName: 'production-ops prove', signal });
  try {
    await client.query(`create role ${role} login bypassrls password ${quoteLiteral(password)}`);
    await client.query(ownership);
  } catch (thrown) {
    throw pgError(thrown, admin);
  } finally {
    await client.end().catch(() => {});
  }
  return withUser(admin, role, password);
}

// What belongs to an extension stays its own; a sequence of a column follows its table.
const ownership = `
  DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT evtname FROM pg_catalog.pg_event_trigger LOOP
      EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', each.evtname);
    END LOOP;
    EXECUTE format('GRANT ALL ON DATABASE %I TO ${role}', current_database());
    FOR each IN SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
      EXECUTE format('ALTER SCHEMA %I OWNER TO ${role}', each.nspname);
    END LOOP;
    FOR each IN
      SELECT n.nspname, c.relname, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
             WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                            AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype IN ('a', 'i')))
    LOOP
      EXECUTE format('ALTER %s %I.%I OWNER TO ${role}', each.kind, each.nspname, each.relname);
    END LOOP;
    FOR each IN
      SELECT p.oid::regprocedure AS signature
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
       WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
                            AND d.deptype = 'e')
    LOOP
      EXECUTE format('ALTER ROUTINE %s OWNER TO ${role}', each.signature);
    END LOOP;
  END $$`;
