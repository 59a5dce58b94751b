//! "Did you mean ...?": the command whose name is most like what was typed, by Jaro distance, as
//! RabbitMQ's tool (and Elixir) measures it.

/// How like two names must be, at least.
const LIKENESS_MIN: f64 = 0.77;

/// The one of `names` most like `typed`, if any is like enough.
pub(crate) fn closest(typed: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    names
        .map(|name| (name, jaro(name, typed)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
        .map(|(name, _)| name)
}

/// Jaro's measure: 1 for equal texts, 0 for texts with nothing in common.
fn jaro(left: &str, right: &str) -> f64 {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left == right {
        return 1.0;
    }
    let window = (left.len().max(right.len()) / 2).saturating_sub(1);
    let mut taken = vec![false; right.len()];
    let mut matched_left = Vec::new();
    for (at, c) in left.iter().enumerate() {
        let range = at.saturating_sub(window)..(at + window + 1).min(right.len());
        let found = right.iter().zip(&mut taken).enumerate().take(range.end).skip(range.start);
        if let Some((_, (_, taken))) = found.into_iter().find(|(_, (other, taken))| *other == c && !**taken) {
            *taken = true;
            matched_left.push(*c);
        }
    }
    let matched_right = right.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(c, _)| *c);
    let swapped = matched_left.iter().zip(matched_right).filter(|(a, b)| **a != *b).count();
    let (common, halves) = (matched_left.len(), swapped);
    if common == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss)] // names are short
    let [common, halves, left, right] = [common, halves, left.len(), right.len()].map(|count| count as f64);
    (common / left + common / right + (common - halves / 2.0) / common) / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_command() {
        let names = ["list_connections", "list_queues", "start_app", "status", "stop"];
        for (typed, meant) in
            [("lst_queues", "list_queues"), ("list_queue", "list_queues"), ("statsu", "status")]
        {
            assert_eq!(closest(typed, names.into_iter()), Some(meant), "{typed}");
        }
        assert_eq!(closest("zzz", names.into_iter()), None);
    }

    #[test]
    fn jaro_is_measured_as_published() {
        assert!((jaro("martha", "marhta") - 0.944_444).abs() < 1e-5);
        assert!((jaro("dixon", "dicksonx") - 0.766_667).abs() < 1e-5);
        assert!(jaro("", "a").abs() < f64::EPSILON);
    }
}
