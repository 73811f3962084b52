//! Takes the e-mail queue: order confirmations and notes about sign-ins. Slow mail delays nothing else.

fn main() -> std::process::ExitCode {
    cartwright::programs::worker_program(cartwright::workers::email())
}
