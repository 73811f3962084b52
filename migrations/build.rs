//! The migrations are embedded when the crate is built: a new file must build it again.
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
