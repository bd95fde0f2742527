export { type Privileges, readPrivileges, type Unseen, unseenOf } from './privileges.ts';
export { type DatabaseSession, openSession, type Query, type ReadOptions, type SessionOptions } from './session.ts';
