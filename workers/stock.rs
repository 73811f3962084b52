//! Runs the stock queue: checks stock, expires unpaid orders, and deletes expired data.

fn main() -> std::process::ExitCode {
    cartwright::app::programs::worker_program(cartwright::app::workers::stock())
}
