//! The `payment-simulator` program.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Starts the program in a folder, with these environment variables only.
fn start(folder: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_payment-simulator"))
        .args(["--bind", "127.0.0.1:0"])
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts")
}

#[test]
fn it_does_not_start_when_live_keys_are_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let fails = |variables: &[(&str, &str)]| {
        let output = start(folder.path(), variables);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let message = fails(&[("STRIPE_SECRET_KEY", "sk_live_0123")]);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("STRIPE_SECRET_KEY") && !message.contains("0123"), "{message}");
    // The environment overrides the line in .env, which the next program may read.
    std::fs::write(folder.path().join(".env"), "RAZORPAY_KEY_ID=rzp_live_0123\n").expect(".env is written");
    let message = fails(&[("RAZORPAY_KEY_ID", "rzp_test_1")]);
    assert!(message.contains("RAZORPAY_KEY_ID"), "{message}");
}
