/**
 * What of the functions a start section called it must not call: there is no context yet and the memory is not known, so
 * Envoy crashes at whatever needs either (seen with 1.36 and 1.40, function by function). Subjects are `module.name`.
 */
export function fatalInStartSection(calls: readonly string[]): readonly string[] {
  return calls.filter((subject) => !HARMLESS.has(subject.slice(subject.indexOf(".") + 1)));
}

/** They look at their arguments at most. */
const HARMLESS: ReadonlySet<string> = new Set([
  "pthread_equal",
  "emscripten_notify_memory_growth",
  "args_get",
  "fd_advise",
  "fd_allocate",
  "fd_datasync",
  "fd_fdstat_set_flags",
  "fd_fdstat_set_rights",
  "fd_filestat_get",
  "fd_filestat_set_size",
  "fd_filestat_set_times",
  "fd_pread",
  "fd_prestat_dir_name",
  "fd_prestat_get",
  "fd_read",
  "fd_renumber",
  "fd_sync",
  "path_create_directory",
  "path_filestat_get",
  "path_filestat_set_times",
  "path_link",
  "path_open",
  "path_remove_directory",
  "path_rename",
  "path_symlink",
  "path_unlink_file",
  "sched_yield",
  "sock_shutdown",
]);
