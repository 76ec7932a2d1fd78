//! The function of a team without Rust migrations: tables alone.

use tablewright::Migrator;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    tablewright::run(Ok(Migrator::default())).await
}
