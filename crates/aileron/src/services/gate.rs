//! `--gate`: go or stop, with the reasons, for people. The crate's gate decides.

use std::fmt::Write as _;

use services::State;
use services::gate::{Decision, Operation, Reason};

use super::terminal::{Style, clean, state_of, wrapped};

/// Exit code: nothing stops the operation.
pub(super) const GO: u8 = 0;
/// Exit code: something does.
pub(super) const STOP: u8 = 2;

/// The page.
pub(super) fn page(decision: &Decision, style: Style) -> String {
    let mut text = String::new();
    let what = match decision.operation {
        Operation::Backup => "a backup may begin",
        Operation::Restore => "the restored control plane is well",
    };
    let count = decision.stops.len();
    match (decision.go, decision.operation) {
        (true, _) => {
            let _ = writeln!(text, "{}  {what}", style.state(State::Ok, "GO"));
        }
        (false, operation) => {
            let what = match operation {
                Operation::Backup => "no backup now",
                Operation::Restore => "the restored control plane is not well",
            };
            let reasons = if count == 1 { "1 reason".to_string() } else { format!("{count} reasons") };
            let _ = writeln!(text, "{}  {what}: {reasons}", style.state(State::Failed, "STOP"));
        }
    }
    part(&mut text, "", &decision.stops, true, style);
    part(&mut text, "Overridden:", &decision.overridden, true, style);
    part(&mut text, "Not in its way (aileron services tells more):", &decision.notes, false, style);
    if !decision.go {
        let codes: Vec<_> = decision.stops.iter().map(|reason| reason.finding.code.as_str()).collect();
        let mut unique = codes.clone();
        unique.sort_unstable();
        unique.dedup();
        text.push('\n');
        let hint = format!("to go on all the same: --override {}", unique.join(","));
        wrapped(&mut text, "", 0, 4, &hint, style, None);
    }
    text
}

fn part(text: &mut String, title: &str, reasons: &[Reason], whole: bool, style: Style) {
    if reasons.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}{title}", if title.is_empty() { "" } else { "\n" });
    for reason in reasons {
        let finding = &reason.finding;
        let word = style.state(state_of(finding.severity), &format!("{:<8}", finding.severity.name()));
        let about = format!("{}  {}", finding.code, finding.subject);
        let _ = writeln!(text, "  {word}  {}", clean(about.trim_end()));
        if !whole {
            continue;
        }
        let will = if finding.intended { " (by an operator)" } else { "" };
        wrapped(text, "            ", 12, 12, &format!("{}{will}", finding.cause), style, None);
        if !finding.next.is_empty() {
            wrapped(text, "            next: ", 18, 18, &finding.next, style, Some("1"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use services::{Finding, Severity};

    const STYLE: Style = Style { width: 80, colour: false, members: false };

    fn decision(stops: Vec<Reason>, overridden: Vec<Reason>) -> Decision {
        let go = stops.is_empty();
        Decision {
            version: 1,
            operation: Operation::Backup,
            go,
            taken_at: 0,
            stops,
            overridden,
            notes: Vec::new(),
        }
    }

    fn reason() -> Reason {
        let finding = Finding::new("mariadb-desynced", Severity::Degraded, "c1", "c1 is a donor")
            .next("wait until it is Synced");
        Reason { service: "mariadb".to_string(), finding }
    }

    #[test]
    fn a_stop_names_its_reasons_and_how_to_override_them() {
        let text = page(&decision(vec![reason(), reason()], Vec::new()), STYLE);
        let expected = "\
STOP  no backup now: 2 reasons

  degraded  mariadb-desynced  c1
            c1 is a donor
            next: wait until it is Synced
  degraded  mariadb-desynced  c1
            c1 is a donor
            next: wait until it is Synced

to go on all the same: --override mariadb-desynced
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_go_tells_what_was_overridden() {
        let text = page(&decision(Vec::new(), vec![reason()]), STYLE);
        assert!(
            text.starts_with("GO  a backup may begin\n\nOverridden:\n  degraded  mariadb-desynced  c1\n"),
            "{text}"
        );
        assert!(!text.contains("--override"));
    }
}
