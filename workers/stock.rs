//! Takes the stock queue: proves that stock adds up, and frees what unpaid orders held too long.

fn main() -> std::process::ExitCode {
    cartwright::app::programs::worker_program(cartwright::app::workers::stock())
}
