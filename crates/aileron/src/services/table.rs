//! The overview for people: a line a service, then what is not as it should be, service by service, and
//! what to do. `terminal` next door lays it out.

use std::fmt::Write as _;

use services::history::{About, Standing};
use services::{Finding, MemberVerdict, Overview, Severity, State, Verdict};

use super::terminal::{Style, clean, state_of, wrapped};
use super::when;

/// Where a service's summary begins.
const SUMMARY: usize = 23;
/// The width of a summary where the risk stands behind it.
const SUMMARY_WIDTH: usize = 34;

/// What the daemon knows beside its overview.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The time of the page, in seconds since 1970.
    pub(super) now: u64,
    /// Since when things are as they are.
    pub(super) standing: &'a [Standing],
}

impl Known<'_> {
    /// ` for 12 min`: how long a service has been as it is.
    fn lasting(&self, verdict: &Verdict) -> Option<String> {
        let name = verdict.service.name();
        let own = |one: &&Standing| one.thing.about == About::Service && one.thing.service == name;
        let since = self.standing.iter().find(own)?.since;
        Some(format!(" for {}", when::long(self.now.saturating_sub(since))))
    }
}

/// The page as text.
pub(super) fn page(overview: &Overview, known: Option<Known<'_>>, style: Style) -> String {
    let mut text = String::new();
    head(&mut text, overview, known, style);
    if !overview.services.is_empty() {
        text.push('\n');
    }
    for verdict in &overview.services {
        service(&mut text, verdict, style);
    }
    for host in overview.hosts.iter().filter(|host| host.answer != "got") {
        let name = clean(&host.name);
        let start = format!("\n{} ", style.state(State::Unknown, &name));
        wrapped(&mut text, &start, name.chars().count() + 1, 4, &host.trouble, style, None);
        let own = |one: &&Finding| one.code == "host-no-answer" && one.subject == host.name;
        if let Some(finding) = overview.findings.iter().find(own) {
            next(&mut text, finding, style);
        }
    }
    let mut general = overview.findings.iter().filter(|one| one.code != "host-no-answer").peekable();
    if general.peek().is_some() {
        text.push('\n');
    }
    general.for_each(|one| finding(&mut text, one, style));
    let mut order: Vec<&Verdict> = overview.services.iter().filter(|one| !one.findings.is_empty()).collect();
    order.sort_by_key(|verdict| std::cmp::Reverse(rank(verdict.state)));
    for verdict in order {
        let lasting = known.and_then(|known| known.lasting(verdict)).unwrap_or_default();
        let name = format!("{} {}{lasting}", verdict.service.name(), verdict.state.name());
        let risk = if verdict.state == State::Ok { "" } else { verdict.risk.as_str() };
        let colon = if risk.is_empty() { "" } else { ": " };
        let start = format!("\n{}{colon}", style.state(verdict.state, &name));
        wrapped(&mut text, &start, name.len() + colon.len(), 4, risk, style, None);
        verdict.findings.iter().for_each(|one| finding(&mut text, one, style));
    }
    text
}

/// The control plane's state in a word, why, and what one more failure would do.
fn head(text: &mut String, overview: &Overview, known: Option<Known<'_>>, style: Style) {
    let state = style.state(overview.state, &overview.state.name().to_uppercase());
    let indent = overview.state.name().len() + 2;
    let space = format!("{:indent$}", "");
    wrapped(text, &format!("{state}  "), indent, indent, &overview.summary, style, None);
    if !overview.risk.is_empty() {
        wrapped(text, &space, indent, indent, &overview.risk, style, None);
    }
    let answered = overview.hosts.iter().filter(|host| host.answer == "got").count();
    let plural = if overview.hosts.len() == 1 { "" } else { "s" };
    let mut asked = format!(
        "{answered} of {} host{plural} answered, {:.2} s",
        overview.hosts.len(),
        seconds(overview.took_ms)
    );
    if let Some(known) = known {
        let age = when::long(known.now.saturating_sub(overview.taken_at));
        asked.push_str(&format!(", seen {age} ago by aileron serve"));
    }
    wrapped(text, &space, indent, indent, &asked, style, Some("2"));
}

/// The line of one service; the risk stands behind it where both fit.
fn service(text: &mut String, verdict: &Verdict, style: Style) {
    let state = style.state(verdict.state, &format!("{:<8}", verdict.state.name()));
    let start = format!("  {state}  {:<11}", verdict.service.name());
    let summary = clean(&verdict.summary);
    let risk = clean(&verdict.risk);
    let room = style.width.saturating_sub(SUMMARY);
    let taken = summary.chars().count().max(SUMMARY_WIDTH) + 2 + risk.chars().count();
    if !risk.is_empty() && taken <= room {
        let _ = writeln!(text, "{start}{summary:<SUMMARY_WIDTH$}  {}", style.paint("2", &risk));
    } else {
        wrapped(text, &start, SUMMARY, SUMMARY, &summary, style, None);
    }
    if style.members {
        members(text, &verdict.members, style);
    }
}

/// A line for each member, in columns where they fit.
fn members(text: &mut String, all: &[MemberVerdict], style: Style) {
    let role = |member: &MemberVerdict| {
        let said = if member.role.is_empty() { &member.answer } else { &member.role };
        // What was there before it fell silent is its role; that it is silent now says more.
        let answer = if member.answer == "got" || said == &member.answer { "" } else { &member.answer };
        clean(format!("{said} {answer}").trim_end())
    };
    let widest = |of: &dyn Fn(&MemberVerdict) -> usize| all.iter().map(of).max().unwrap_or(0);
    let host = widest(&|member| clean(&member.host).chars().count());
    let place = widest(&|member| clean(&member.place).chars().count());
    let last = widest(&|member| role(member).chars().count() + format!("  {} ms", member.took_ms).len());
    let columns = 14 + 2 + host + 2 + place + 2 + last <= style.width;
    for member in all {
        let state = style.state(member.state, &format!("{:<8}", member.state.name()));
        let (name, at) = (clean(&member.host), clean(&member.place));
        if columns {
            let time = style.paint("2", &format!("{} ms", member.took_ms));
            let _ = writeln!(text, "      {state}  {name:<host$}  {at:<place$}  {}  {time}", role(member));
        } else {
            let about = format!("{at} {} {} ms", role(member), member.took_ms);
            wrapped(
                text,
                &format!("      {state}  {name}  "),
                18 + name.chars().count(),
                18,
                &about,
                style,
                None,
            );
        }
    }
}

/// What is not as it should be; a notice takes as little room as it can.
fn finding(text: &mut String, finding: &Finding, style: Style) {
    let word = format!("{:<8}", finding.severity.name());
    let start = format!("  {}  ", style.state(state_of(finding.severity), &word));
    let will = if finding.intended { " (by an operator)" } else { "" };
    let cause = format!("{}{will}", finding.cause);
    if finding.severity == Severity::Notice {
        wrapped(text, &start, 12, 12, &format!("{cause} [{}]", finding.code), style, None);
    } else {
        let subject = clean(&finding.subject);
        let space = if subject.is_empty() { "" } else { "  " };
        let _ = writeln!(text, "{start}{subject}{space}{}", style.paint("2", &clean(&finding.code)));
        wrapped(text, "            ", 12, 12, &cause, style, None);
    }
    next(text, finding, style);
}

fn next(text: &mut String, finding: &Finding, style: Style) {
    if !finding.next.is_empty() {
        wrapped(text, "            next: ", 18, 18, &finding.next, style, Some("1"));
    }
}

fn rank(state: State) -> u8 {
    match state {
        State::Failed => 3,
        State::Degraded => 2,
        State::Unknown => 1,
        State::Ok => 0,
    }
}

#[allow(clippy::cast_precision_loss)] // milliseconds of a survey: far below 2^53
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use services::Kind;
    use services::history::Thing;

    const STYLE: Style = Style { width: 80, colour: false, members: false };

    fn member(host: &str, state: State, role: &str, answer: &str) -> MemberVerdict {
        MemberVerdict {
            host: host.to_string(),
            place: "127.0.0.1:6379".to_string(),
            state,
            role: role.to_string(),
            answer: answer.to_string(),
            took_ms: 7,
        }
    }

    fn overview() -> Overview {
        let silent = Finding::new(
            "redis-silent",
            Severity::Degraded,
            "c1",
            "Redis on c1 did not answer within 2.0 s (waiting for the answer of 127.0.0.1:6379)",
        );
        let findings = vec![
            silent.next("on c1: systemctl restart redis-server"),
            Finding::new("redis-loading", Severity::Notice, "c0", "Redis on c0 reads its \x1b[2Jdata")
                .intended(),
        ];
        let redis = Verdict {
            service: Kind::Redis,
            state: State::Degraded,
            summary: "primary c0, 0 of 1 replicas follow".to_string(),
            risk: "one more failure stops Redis".to_string(),
            fragile: true,
            members: vec![
                member("c0", State::Ok, "primary", "got"),
                member("c1", State::Failed, "", "silent"),
            ],
            findings,
        };
        let host = |name: &str, answer: &str, trouble: &str| services::verdict::HostVerdict {
            name: name.to_string(),
            answer: answer.to_string(),
            trouble: trouble.to_string(),
            took_ms: 1,
        };
        let away =
            Finding::new("host-no-answer", Severity::Degraded, "c2", "c2 is away").next("ssh c2 uptime");
        Overview {
            version: 1,
            state: State::Degraded,
            summary: "redis degraded; c2 did not answer".to_string(),
            risk: "one more failure stops redis".to_string(),
            taken_at: 1000,
            took_ms: 2010,
            deadline_ms: 2000,
            hosts: vec![
                host("c0", "got", ""),
                host("c2", "silent", "did not answer within 2.0 s (connecting)"),
            ],
            services: vec![redis],
            findings: vec![away],
        }
    }

    #[test]
    fn a_page_tells_the_worst_first_and_what_to_type() {
        let expected = "\
DEGRADED  redis degraded; c2 did not answer
          one more failure stops redis
          1 of 2 hosts answered, 2.01 s

  degraded  redis      primary c0, 0 of 1 replicas follow

c2 did not answer within 2.0 s (connecting)
            next: ssh c2 uptime

redis degraded: one more failure stops Redis
  degraded  c1  redis-silent
            Redis on c1 did not answer within 2.0 s (waiting for the answer of
            127.0.0.1:6379)
            next: on c1: systemctl restart redis-server
  notice    Redis on c0 reads its [2Jdata (by an operator) [redis-loading]
";
        assert_eq!(page(&overview(), None, STYLE), expected);
    }

    #[test]
    fn members_stand_in_columns_where_they_fit() {
        let text = page(&overview(), None, Style { members: true, ..STYLE });
        let expected = "
      ok        c0  127.0.0.1:6379  primary  7 ms
      failed    c1  127.0.0.1:6379  silent  7 ms
";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn what_the_daemon_knows_is_told_with_its_age() {
        let thing = Thing {
            about: About::Service,
            service: "redis".to_string(),
            code: String::new(),
            subject: String::new(),
            place: String::new(),
        };
        let standing = [Standing { thing, state: "degraded".to_string(), since: 280 }];
        let text = page(&overview(), Some(Known { now: 1012, standing: &standing }), STYLE);
        assert!(text.contains("1 of 2 hosts answered, 2.01 s, seen 12 s ago by aileron serve\n"), "{text}");
        assert!(text.contains("\nredis degraded for 12 min: one more failure stops Redis\n"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut wide = overview();
        wide.services[0].summary = "a word ".repeat(40);
        wide.services[0].members[0].role = "a role ".repeat(40);
        for width in [60, 80, 120] {
            let text = page(&wide, None, Style { width, members: true, ..STYLE });
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        }
    }
}
