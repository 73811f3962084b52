//! Makes the allocator return large blocks to the system as soon as they are freed.
//!
//! glibc maps a block of 128 KiB or more by itself and unmaps it when it is freed, but then raises that threshold to the
//! size of the freed block, up to 32 MiB. From then on images and password hashes come from its heaps, which keep freed
//! memory. A threshold from the environment is never raised; glibc reads it before `main`.

use std::{env, os::unix::process::CommandExt, process::Command};

/// The variable that glibc reads, in bytes.
const LIMIT: &str = "MALLOC_MMAP_THRESHOLD_";
/// Set after the restart. The system removes [`LIMIT`] from the environment of a setuid program, which would restart for
/// ever otherwise.
const RESTARTED: &str = "CARTWRIGHT_RESTARTED";

/// Restarts this program in the same process with the threshold set, unless it is set already. Call it first in `main`.
/// Does nothing with other allocators than glibc's.
pub fn set_mmap_threshold() {
    if cfg!(not(all(target_os = "linux", target_env = "gnu"))) {
        return;
    }
    if [LIMIT, RESTARTED].into_iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    let (Ok(program), mut arguments) = (env::current_exe(), env::args_os()) else { return };
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    let mut restarted = Command::new(program);
    restarted.arg0(name).args(arguments).env(LIMIT, "131072").env(RESTARTED, "1");
    // Returns only when the system refuses; the program then continues and uses more memory.
    let _refused = restarted.exec();
}
