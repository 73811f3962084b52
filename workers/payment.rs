//! Runs the payment queue: everything that talks to payment providers.

fn main() -> std::process::ExitCode {
    cartwright::app::programs::worker_program(cartwright::app::workers::payment())
}
