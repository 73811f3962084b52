//! Takes the payment queue: everything that talks to payment providers.

fn main() -> std::process::ExitCode {
    cartwright::programs::worker_program(cartwright::workers::payment())
}
