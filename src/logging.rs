//! Log lines: JSON in Lambda where the function asks for it, text otherwise; other crates are heard from `WARN` on.

use tracing_subscriber::EnvFilter;

/// Starts logging to standard output; a second call does nothing.
///
/// `AWS_LAMBDA_LOG_FORMAT` chooses `JSON` or text, `AWS_LAMBDA_LOG_LEVEL` the level of our own lines.
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(&level))
        .with_target(false)
        .with_ansi(false);
    let is_json = std::env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format == "JSON");
    // Another subscriber may be in place, in a program that embeds the handler.
    let _ = if is_json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(true).try_init()
    } else {
        builder.without_time().try_init()
    };
}

/// What is heard at one of Lambda's levels, `INFO` where the word is none of them.
///
/// What other crates log below `WARN` can hold requests, and so response URLs and items: no level turns that on.
#[must_use]
pub fn filter(level: &str) -> EnvFilter {
    let level = match level.to_ascii_lowercase().as_str() {
        level @ ("trace" | "debug" | "info" | "warn" | "error") => level.to_owned(),
        "fatal" => "error".to_owned(),
        _ => "info".to_owned(),
    };
    EnvFilter::new(format!("warn,tablewright={level}"))
}
