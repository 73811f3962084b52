//! Makes the allocator return large blocks to the system as soon as they are freed.
//!
//! glibc gives a block of 128 KiB or more a mapping of its own and unmaps it when it is freed, but each time it raises
//! that limit to the size of the freed block, up to 32 MiB. From then on images and password hashes are taken from its
//! heaps, which keep what was freed. A limit that is set stays; glibc reads it from the environment, before `main`.

use std::{env, os::unix::process::CommandExt, process::Command};

/// What glibc reads, in bytes.
const LIMIT: &str = "MALLOC_MMAP_THRESHOLD_";
/// Says that the program was restarted. For a program with more rights than its user, the system drops [`LIMIT`].
const RESTARTED: &str = "CARTWRIGHT_RESTARTED";

/// Starts this program anew in the same process with the limit set, unless it is set already. Call it first in `main`;
/// other allocators than glibc's do not need it.
pub fn set_mmap_threshold() {
    if cfg!(not(all(target_os = "linux", target_env = "gnu"))) {
        return;
    }
    if [LIMIT, RESTARTED].into_iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    let (Ok(program), mut arguments) = (env::current_exe(), env::args_os()) else { return };
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    let mut anew = Command::new(program);
    anew.arg0(name).args(arguments).env(LIMIT, "131072").env(RESTARTED, "1");
    // It returns only when the system refuses; the program then goes on as it is, with more memory.
    let _refused = anew.exec();
}
