//! Log lines: JSON in Lambda where the function asks for it, text otherwise; nothing that a transport logs about requests.

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

/// Starts logging to standard error at a level, for a program whose output is for somebody else; a second call does nothing.
pub fn to_stderr(level: &str) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(level)).with_target(false);
    let builder = builder.with_ansi(false).with_writer(std::io::stderr);
    let _ = builder.try_init();
}

/// Beginnings of the names of crates whose lines below `WARN` can hold requests, and so response URLs and items: no level turns those on.
const TRANSPORT: [&str; 8] =
    ["aws_", "h2", "hyper", "lambda_runtime", "reqwest", "rustls", "tower", "want"];

/// What is heard at one of Lambda's levels, `INFO` where the word is none of them: our own lines from that level on,
/// those of others, a team's migrations among them, from `INFO` on.
#[must_use]
pub fn filter(level: &str) -> EnvFilter {
    let level = match level.to_ascii_lowercase().as_str() {
        level @ ("trace" | "debug" | "info" | "warn" | "error") => level.to_owned(),
        "fatal" => "error".to_owned(),
        _ => "info".to_owned(),
    };
    let others = if matches!(level.as_str(), "warn" | "error") { &level } else { "info" };
    let quiet: String = TRANSPORT.iter().map(|name| format!(",{name}=warn")).collect();
    EnvFilter::new(format!("{others}{quiet},tablewright={level}"))
}
