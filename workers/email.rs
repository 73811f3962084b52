//! Runs the e-mail queue: orders, low stock and accounts. Slow mail delays no other queue.

fn main() -> std::process::ExitCode {
    cartwright::app::programs::worker_program(cartwright::app::workers::email())
}
