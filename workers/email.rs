//! Takes the e-mail queue: letters about orders, low stock and sign-ins. Slow mail delays nothing else.

fn main() -> std::process::ExitCode {
    cartwright::programs::worker_program(cartwright::workers::email())
}
