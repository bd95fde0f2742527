export { isEnforced } from './enforced.ts';
export { type Privileges, readPrivileges, type Unseen, unseenOf } from './privileges.ts';
export {
  assertSupported,
  type DatabaseSession,
  openSession,
  type Query,
  type ReadOptions,
  type SessionOptions,
} from './session.ts';
