//! What a backfill costs beside loops that people write by hand; started with a role, one process of that comparison.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports")]
#![expect(clippy::disallowed_methods, reason = "loops by hand send what they like")]

mod compare;
mod contenders;
mod engines;
mod expressions;
mod loops;
mod memory;
mod orders;
mod stand_in;
mod table;

use self::contenders::Pace;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> Result<()> {
    // cargo passes `--bench`.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => compare::compare(),
        ["engine", kind] => engines::serve(kind),
        ["contender", kind, endpoint, requests, segments] => {
            let pace = Pace { requests: requests.parse()?, segments: segments.parse()? };
            contenders::contend(kind, endpoint, pace)
        }
        _ => Err(format!("{arguments:?} is no role").into()),
    }
}
