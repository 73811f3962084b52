//! Takes the e-mail queue: letters about orders, low stock and sign-ins. Slow mail delays nothing else.

fn main() -> std::process::ExitCode {
    cartwright::app::programs::worker_program(cartwright::app::workers::email())
}
