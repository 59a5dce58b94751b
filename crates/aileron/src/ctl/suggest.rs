//! "Did you mean ...?": the command whose name is most like what was typed, by Jaro distance, as
//! RabbitMQ's tool (and Elixir) measures it.

/// How like two names must be, at least.
const LIKENESS_MIN: f64 = 0.77;

/// The one of `names` most like `typed`, if any is like enough.
pub(crate) fn closest(typed: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    names
        .map(|name| (name, strsim::jaro(name, typed)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
        .map(|(name, _)| name)
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
}
