//! Amounts of bytes as people write them: `50MB`, `1GiB`, `131072`.
//!
//! Units with `i` count by 1024, the others by 1000, except RabbitMQ's single letters `k`, `M`, `G`,
//! which count by 1024 as they do there.

/// What is allowed, for error texts.
pub(super) const ALLOWED: &str = "a number of bytes, or one with a unit: k, kB, kiB, M, MB, MiB, G, GB, GiB, T, TB, TiB (\"50MB\", \"1GiB\")";

/// Reads an amount; `None` for anything else, also for what does not fit 64 bits.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = factor(unit.trim())?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let number: f64 = number.parse().ok()?;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // A fraction of a unit, far below 2^53, rounded to whole bytes.
    let bytes = (number * factor as f64).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (bytes < 9e15).then_some(bytes as u64)
}

fn factor(unit: &str) -> Option<u64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "k" | "ki" | "kib" => 1 << 10,
        "mb" => 1000 * 1000,
        "m" | "mi" | "mib" => 1 << 20,
        "gb" => 1000 * 1000 * 1000,
        "g" | "gi" | "gib" => 1 << 30,
        "tb" => 1000 * 1000 * 1000 * 1000,
        "t" | "ti" | "tib" => 1 << 40,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn amounts_are_read_with_their_units() {
        for (text, bytes) in [
            ("0", 0),
            ("131072", 131_072),
            ("50MB", 50_000_000),
            ("1GiB", 1 << 30),
            ("2G", 2 << 30),
            ("16 MiB", 16 << 20),
            ("1.5k", 1536),
            ("0.5GB", 500_000_000),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "MB", "-1", "1XB", "1.2.3", "99999999999999999999", "18446744073709551615k", "1e9"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
