//! Moments, durations, counts and sizes as people read them.

use crate::clock;

/// A moment, as `2026-11-24 18:37`, in UTC.
pub(super) fn moment(at: &str) -> String {
    match (at.get(..10), at.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => at.to_owned(),
    }
}

/// How long something took.
pub(super) fn between(from: Option<&str>, to: Option<&str>) -> Option<String> {
    let from = clock::parse_ms(from?)?;
    let to = clock::parse_ms(to?)?;
    Some(duration(to.saturating_sub(from)))
}

/// Milliseconds, in the two units that tell the most.
pub(super) fn duration(ms: u64) -> String {
    let (seconds, minutes, hours) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    match () {
        () if ms < 1000 => format!("{ms} ms"),
        () if seconds < 10 => format!("{}.{} s", seconds, ms % 1000 / 100),
        () if minutes < 1 => format!("{seconds} s"),
        () if hours < 1 => format!("{minutes} min {} s", seconds % 60),
        () if hours < 48 => format!("{hours} h {} min", minutes % 60),
        () => format!("{} d {} h", hours / 24, hours % 24),
    }
}

/// A count, its digits in groups of three.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count of things, in words.
pub(super) fn many(n: usize, one: &str, several: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {several}", count(n as u64)) }
}

/// A size, with one digit behind the point.
pub(super) fn bytes(bytes: u64) -> String {
    let mut tenths = bytes.saturating_mul(10);
    for unit in ["bytes", "KB", "MB", "GB", "TB"] {
        if tenths < 10_240 {
            return match unit {
                "bytes" => format!("{bytes} bytes"),
                unit => format!("{}.{} {unit}", tenths / 10, tenths % 10),
            };
        }
        tenths /= 1024;
    }
    format!("{} PB", tenths / 10)
}

/// The beginning of a text that has more characters than there is room for.
pub(super) fn shortened(text: &str, room: usize) -> String {
    match text.char_indices().nth(room.saturating_sub(1)) {
        Some((end, _)) if text.chars().count() > room => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// The text as a sentence: with a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase).into_iter().flatten();
    let end = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    first.chain(characters).chain(end.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_say_them() {
        let took = [5, 999, 1000, 9_900, 59_000, 252_000, 5_000_000, 400_000_000].map(duration);
        let said =
            ["5 ms", "999 ms", "1.0 s", "9.9 s", "59 s", "4 min 12 s", "1 h 23 min", "4 d 15 h"];
        assert_eq!(took, said);
        assert_eq!(
            [0, 999, 1000, 12_345_678].map(count),
            ["0", "999", "1\u{202f}000", "12\u{202f}345\u{202f}678"]
        );
        let sizes = [0, 1023, 1024, 1_500_000, u64::MAX].map(bytes);
        assert_eq!(sizes[..4], ["0 bytes", "1023 bytes", "1.0 KB", "1.4 MB"]);
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
        assert_eq!(moment("2026-11-24T18:37:01.5Z"), "2026-11-24 18:37");
    }
}
