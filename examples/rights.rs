//! Prints the rights that the construct has, for `make infra/lib/rights.json`.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

fn main() {
    println!("{:#}", tablewright::rights::catalogue());
}
