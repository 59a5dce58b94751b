//! `controller-[0:2]` for controller-0, controller-1 and controller-2: numbers (zeros in front are kept) or
//! letters, with an optional step.

/// The most names that one pattern may make.
const NAMES_MAX: usize = 10_000;

/// All names of a pattern; itself where it has no range.
///
/// # Errors
/// When a range is not understood or makes too many.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = pattern.split_once('[') else { return Ok(vec![pattern.to_string()]) };
    let (range, after) = rest.split_once(']').ok_or_else(|| format!("'{pattern}' has no closing bracket"))?;
    let wrong = || format!("'[{range}]' is no range like [0:2], [01:20:2] or [a:c]");
    let parts: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match parts[..] {
        [first, last] => (first, last, 1),
        [first, last, step] => (first, last, step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
        _ => return Err(wrong()),
    };
    let middles = numbers(first, last, step).or_else(|| letters(first, last, step)).ok_or_else(wrong)?;
    let ends = expand(after)?;
    if middles.len().saturating_mul(ends.len()) > NAMES_MAX {
        return Err(format!("'{pattern}' stands for more than {NAMES_MAX} hosts"));
    }
    Ok(middles
        .iter()
        .flat_map(|middle| ends.iter().map(move |end| format!("{before}{middle}{end}")))
        .collect())
}

fn numbers(first: &str, last: &str, step: usize) -> Option<Vec<String>> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Ansible takes a missing start as 0.
    let first = if first.is_empty() { "0" } else { first };
    if !digits(first) || !digits(last) {
        return None;
    }
    let (from, to): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    let width = if first.starts_with('0') { first.len() } else { 0 };
    // One more than allowed is enough to see that it is too many.
    let names = (from..=to).step_by(step).take(NAMES_MAX + 1);
    (from <= to).then(|| names.map(|number| format!("{number:0width$}")).collect())
}

fn letters(first: &str, last: &str, step: usize) -> Option<Vec<String>> {
    let one = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii_alphabetic() => Some(*byte),
        _ => None,
    };
    let (from, to) = (one(first)?, one(last)?);
    (from <= to).then(|| (from..=to).step_by(step).map(|byte| char::from(byte).to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn ranges_are_counted_as_ansible_does() {
        assert_eq!(expand("c-[0:2]").unwrap(), ["c-0", "c-1", "c-2"]);
        assert_eq!(expand("c[08:12:2].x").unwrap(), ["c08.x", "c10.x", "c12.x"]);
        assert_eq!(expand("r[a:b]c[1:2]").unwrap(), ["rac1", "rac2", "rbc1", "rbc2"]);
        assert_eq!(expand("plain").unwrap(), ["plain"]);
    }

    #[test]
    fn what_is_no_range_is_told() {
        for wrong in ["c[0:2", "c[2:0]", "c[0]", "c[0:2:0]", "c[a:2]", "c[0:99999999]", "c[0:200][0:200]"] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
    }
}
