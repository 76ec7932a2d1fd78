// What the function's asset holds: the executable, and the migration files beside it.
import { cpSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { FileSystem } from 'aws-cdk-lib';

/** What the function takes for migrations, odd ones included, which it tells of. What tries them stays at home. */
const MIGRATION = /^\d(?!.*\.test\.yaml$)/;

/** A folder with all that is in `code`, and the migrations of `folder` where the function looks for them. */
export function packaged(code: string, folder?: string): string {
  if (!statSync(join(code, 'bootstrap'), { throwIfNoEntry: false })?.isFile()) {
    throw new Error(`${code} holds no executable 'bootstrap'; build one with cargo lambda build --release`);
  }
  if (folder === undefined) {
    return code;
  }
  const files = readdirSync(folder).filter((name) => MIGRATION.test(name));
  if (files.length === 0) {
    throw new Error(`${folder} holds no migrations: files NNNN_name.yaml or NNNN_name.js`);
  }
  const whole = FileSystem.mkdtemp('tablewright-');
  cpSync(code, whole, { recursive: true });
  for (const name of files) {
    cpSync(join(folder, name), join(whole, 'migrations', name));
  }
  return whole;
}
