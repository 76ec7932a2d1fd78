//! Numbers on their way to a script and back: to the last of their 38 digits, or not at all.

use std::ops::RangeInclusive;

use crate::dynamo::canonical_number;

/// Up to here a JavaScript number tells each whole number from the next.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;
/// AWS documentation, "Supported data types and naming rules in Amazon DynamoDB": digits of a number, and powers of ten of
/// its first one.
const DIGITS_MAX: usize = 38;
const MAGNITUDES: RangeInclusive<i64> = -130..=125;
const BEYOND: &str = "is beyond 1e-130 to 9.99…e125, which is what DynamoDB keeps";
/// Zeros that a number is written with before it gets an exponent.
const ZEROS_MAX: usize = 40;

/// The JavaScript number that a number of an item is. None where it would be another one when it is printed again, and for
/// whole numbers beyond 2^53, which arithmetic would round.
pub(super) fn as_double(number: &str) -> Option<f64> {
    let double: f64 = number.parse().ok()?;
    let is_told_apart = double.fract() != 0.0 || double.abs() <= WHOLE_MAX;
    (is_told_apart && is_same(number, double)).then_some(double)
}

fn is_same(number: &str, double: f64) -> bool {
    let is_short = number.len() < 16 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_short || canonical_number(number) == canonical_number(&double.to_string())
}

/// A JavaScript number as DynamoDB takes it.
///
/// # Errors
/// One that DynamoDB has none for, or that has lost digits; says what is wrong with "it".
pub(super) fn from_double(double: f64) -> Result<String, String> {
    if !double.is_finite() {
        let name = if double.is_nan() { "NaN" } else { "infinite" };
        return Err(format!("is {name}, and DynamoDB has no such number"));
    }
    if double.fract() == 0.0 && double.abs() > WHOLE_MAX {
        return Err(
            "is a whole number beyond 2^53, where JavaScript rounds; use a bigint or a Decimal"
                .to_owned(),
        );
    }
    checked(&double.to_string())
}

/// A number as DynamoDB takes it, from any way of writing it.
///
/// # Errors
/// No number, or one with more digits or of another magnitude than DynamoDB has; says what is wrong with "it".
pub(super) fn checked(text: &str) -> Result<String, String> {
    if !is_number(text) {
        return Err("is no number".to_owned());
    }
    let is_far = text.split_once(['e', 'E']).is_some_and(|(_, exponent)| exponent.len() > 5);
    if is_far {
        return Err(BEYOND.to_owned());
    }
    let canonical = canonical_number(text);
    let Some((number, exponent)) = canonical.split_once('e') else { return Ok(canonical) };
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    if digits.len() > DIGITS_MAX {
        return Err(format!("has {} digits, and DynamoDB keeps {DIGITS_MAX}", digits.len()));
    }
    let (exponent, length) = (exponent.parse::<i64>(), i64::try_from(digits.len()));
    match (exponent, length) {
        (Ok(exponent), Ok(length)) if MAGNITUDES.contains(&(exponent + length - 1)) => {
            Ok(format!("{sign}{}", written(digits, exponent)))
        }
        (_, _) => Err(BEYOND.to_owned()),
    }
}

/// Digits and the power of ten of the last of them, as people write it.
fn written(digits: &str, exponent: i64) -> String {
    let zeros = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    match (exponent >= 0, digits.len().checked_sub(zeros)) {
        (true, _) if zeros <= ZEROS_MAX => format!("{digits}{}", "0".repeat(zeros)),
        (false, Some(point)) if point > 0 => format!("{}.{}", &digits[..point], &digits[point..]),
        (false, _) if zeros <= ZEROS_MAX => format!("0.{digits:0>zeros$}"),
        (true | false, _) => format!("{digits}e{exponent}"),
    }
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    [whole, fraction, exponent]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reaches_a_script_where_it_comes_back_as_it_was() {
        for (number, double) in [
            ("0", Some(0.0)),
            ("-1", Some(-1.0)),
            ("1.0", Some(1.0)),
            ("007", Some(7.0)),
            ("19.99", Some(19.99)),
            ("1e-7", Some(1e-7)),
            ("1E2", Some(100.0)),
            ("9007199254740991", Some(9_007_199_254_740_991.0)),
            ("-9007199254740991", Some(-9_007_199_254_740_991.0)),
            ("9007199254740992", None),
            ("9007199254740993", None),
            ("100000000000000000000", None),
            ("1e125", None),
            ("0.1000000000000000055511151231257827", None),
            ("0.10000000000000000000000000000000000001", None),
            ("123456789012345678.5", None),
        ] {
            assert_eq!(as_double(number), double, "{number}");
        }
    }

    #[test]
    fn a_number_of_a_script_is_written_out_and_none_that_dynamodb_lacks_goes_on() {
        for (double, written) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (1e-7, "0.0000001"),
            (1e-100, "1e-100"),
            (-12.25, "-12.25"),
        ] {
            assert_eq!(from_double(double).unwrap(), written);
        }
        for (double, said) in
            [(f64::NAN, "NaN"), (f64::NEG_INFINITY, "infinite"), (1e16, "2^53"), (1e-131, "beyond")]
        {
            let why = from_double(double).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn digits_are_kept_up_to_what_dynamodb_keeps() {
        let most = "9".repeat(38);
        for (text, written) in [
            (most.as_str(), most.as_str()),
            ("+1.50", "1.5"),
            ("1e3", "1000"),
            ("-0.00", "0"),
            ("0012e-1", "1.2"),
            ("1e125", "1e125"),
            ("5E-1", "0.5"),
        ] {
            assert_eq!(checked(text).unwrap(), written, "{text}");
        }
        for (text, said) in [
            ("9".repeat(39).as_str(), "39 digits"),
            ("1e126", "beyond"),
            ("1e-131", "beyond"),
            ("1e99999999999999999999", "beyond"),
            ("10e9223372036854775807", "beyond"),
            ("", "no number"),
            ("1.", "no number"),
            (".5", "no number"),
            ("0x10", "no number"),
            ("1 ", "no number"),
        ] {
            let why = checked(text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
    }
}
