//! `--history`: the changes for people, survey by survey, the latest at the end where the eye is.

use std::fmt::Write as _;

use services::State;
use services::history::{ABSENT, About, Change, UNSEEN};

use super::lookout::ToldHistory;
use super::terminal::{Style, clean, wrapped};
use super::when;

/// The page.
pub(super) fn page(told: &ToldHistory, now: u64, style: Style) -> String {
    let mut text = String::new();
    let mut at = None;
    for change in &told.changes {
        let survey = (change.after, change.at);
        if at != Some(survey) {
            let gap = if at.is_some() { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{}", style.paint("1", &heading(change, now)));
            at = Some(survey);
        }
        one(&mut text, change, style);
    }
    if told.changes.is_empty() {
        text.push_str("No changes.\n");
    }
    let _ = writeln!(text, "\n{}", style.paint("2", &closing(told, now)));
    if !told.trouble.is_empty() {
        wrapped(&mut text, "", 0, 0, &format!("The last survey failed: {}", told.trouble), style, None);
    }
    text
}

fn heading(change: &Change, now: u64) -> String {
    format!("{}  {} ago", when::utc(change.at), when::long(now.saturating_sub(change.at)))
}

fn closing(told: &ToldHistory, now: u64) -> String {
    if told.began_at == 0 {
        return "No survey was finished yet.".to_string();
    }
    format!(
        "Watched since {}, last survey {} ago.",
        when::utc(told.began_at),
        when::long(now.saturating_sub(told.surveyed_at))
    )
}

/// One change: what, from, to; then why.
fn one(text: &mut String, change: &Change, style: Style) {
    let thing = &change.thing;
    let shown = |state: &str| style.word(state, state);
    let (name, states) = match thing.about {
        About::Finding if change.from == ABSENT => (finding("+", change), shown(&change.to)),
        About::Finding if change.to == ABSENT => (finding("-", change), style.paint("2", "no longer")),
        About::Finding => (finding("*", change), arrow(change, &shown)),
        About::Survey => ("the surveys".to_string(), arrow(change, &shown)),
        About::ControlPlane => ("control plane".to_string(), arrow(change, &shown)),
        About::Service => (thing.service.clone(), arrow(change, &shown)),
        About::Member => {
            (format!("{} {} {}", thing.service, thing.subject, thing.place), arrow(change, &shown))
        }
    };
    let _ = writeln!(text, "  {}  {states}", clean(&name));
    let mut notes = Vec::new();
    // A member's and a service's cause is their finding's, which stands below.
    if !change.cause.is_empty() && !matches!(thing.about, About::Member | About::Service) {
        notes.push(change.cause.clone());
    }
    if change.intended {
        notes.push("(by an operator)".to_string());
    }
    if let Some(brief) = change.brief {
        notes.push(match brief.times {
            1 => "(for one survey only)".to_string(),
            times => format!("({times} times for one survey only, last at {})", when::utc(brief.last_at)),
        });
    }
    if !notes.is_empty() {
        wrapped(text, "      ", 6, 6, &notes.join(" "), style, None);
    }
}

fn finding(sign: &str, change: &Change) -> String {
    format!("{sign} {} {}", change.thing.code, change.thing.subject).trim_end().to_string()
}

fn arrow(change: &Change, shown: &impl Fn(&str) -> String) -> String {
    match change.from.as_str() {
        UNSEEN => format!("{} at the first survey", shown(&change.to)),
        from => format!("{} -> {}", shown(from), shown(&change.to)),
    }
}

impl Style {
    /// A state's word in its colour, if it has one.
    fn word(self, name: &str, text: &str) -> String {
        match name {
            "ok" | "running" => self.state(State::Ok, text),
            "degraded" => self.state(State::Degraded, text),
            "failed" => self.state(State::Failed, text),
            "unknown" | "stopped" => self.state(State::Unknown, text),
            _ => text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use services::history::{Brief, Thing};

    const STYLE: Style = Style { width: 80, colour: false, members: false };

    fn change(at: u64, about: About, from: &str, to: &str, cause: &str) -> Change {
        let named = |wanted: bool, name: &str| if wanted { name.to_string() } else { String::new() };
        let own = matches!(about, About::Member | About::Finding);
        let thing = Thing {
            about,
            service: named(own || about == About::Service, "memcached"),
            code: named(about == About::Finding, "memcached-down"),
            subject: named(own, "c0"),
            place: named(about == About::Member, "127.0.0.1:11211"),
        };
        Change {
            at,
            after: at - 30,
            thing,
            from: from.to_string(),
            to: to.to_string(),
            cause: cause.to_string(),
            intended: false,
            brief: None,
        }
    }

    fn told(changes: Vec<Change>) -> ToldHistory {
        ToldHistory {
            version: 1,
            interval: 30.0,
            began_at: 1_795_510_000,
            surveyed_at: 1_795_517_700,
            trouble: String::new(),
            standing: Vec::new(),
            changes,
        }
    }

    #[test]
    fn a_page_reads_from_the_first_change_to_the_last() {
        let at = 1_795_517_638;
        let cause = "memcached on c0 is not running: connection refused by the host on which it ran";
        let mut flapped = change(at + 30, About::Finding, "absent", "degraded", cause);
        flapped.brief = Some(Brief { times: 3, last_at: at + 60 });
        let page = page(
            &told(vec![
                change(at, About::ControlPlane, "ok", "degraded", "memcached failed"),
                change(at, About::Service, "ok", "failed", cause),
                change(at, About::Member, "ok", "failed", cause),
                change(at, About::Finding, "absent", "failed", cause),
                flapped,
                change(at + 60, About::Finding, "failed", "absent", ""),
            ]),
            1_795_517_720,
            STYLE,
        );
        let expected = "\
2026-11-24 10:53:58Z  82 s ago
  control plane  ok -> degraded
      memcached failed
  memcached  ok -> failed
  memcached c0 127.0.0.1:11211  ok -> failed
  + memcached-down c0  failed
      memcached on c0 is not running: connection refused by the host on which it
      ran

2026-11-24 10:54:28Z  52 s ago
  + memcached-down c0  degraded
      memcached on c0 is not running: connection refused by the host on which it
      ran (3 times for one survey only, last at 2026-11-24 10:54:58Z)

2026-11-24 10:54:58Z  22 s ago
  - memcached-down c0  no longer

Watched since 2026-11-24 08:46:40Z, last survey 20 s ago.
";
        assert_eq!(page, expected);
    }

    #[test]
    fn nothing_to_tell_is_told() {
        assert!(page(&told(Vec::new()), 1_795_517_720, STYLE).starts_with("No changes.\n\nWatched since "));
        let none = ToldHistory { began_at: 0, trouble: "no inventory".to_string(), ..told(Vec::new()) };
        let text = page(&none, 1_795_517_720, STYLE);
        assert_eq!(
            text,
            "No changes.\n\nNo survey was finished yet.\nThe last survey failed: no inventory\n"
        );
    }

    #[test]
    fn a_daemons_words_do_not_steer_the_terminal() {
        let mut change = change(1_795_517_638, About::Finding, "absent", "failed", "a\x1b[2Jb");
        change.thing.subject = "\x07c0".to_string();
        let text = page(&told(vec![change]), 1_795_517_720, STYLE);
        assert!(!text.chars().any(|one| one.is_control() && one != '\n'), "{text:?}");
    }
}
