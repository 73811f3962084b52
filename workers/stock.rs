//! Takes the stock queue: proves that stock adds up, and frees what unpaid orders held too long.

fn main() -> std::process::ExitCode {
    cartwright::programs::worker_program(cartwright::workers::stock())
}
