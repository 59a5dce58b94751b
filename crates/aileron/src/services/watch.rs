//! `--watch`: the overview again and again. On a terminal the page stays in place and what changed is
//! marked; elsewhere each change is one overview, and with `--json` one line.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use services::{Overview, Settings, State};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::table;
use super::terminal::{self, Style};

/// Surveys until interrupted; gives the last state.
pub(super) async fn run(
    settings: &Settings,
    every: Duration,
    json: bool,
    members: bool,
) -> io::Result<State> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut ticks = interval(every);
    // A survey that takes long costs its own turn only; there are never two at a time.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last: Option<Overview> = None;
    loop {
        let now = tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            overview = async { ticks.tick().await; services::survey(settings).await } => overview,
        };
        let changes = last.as_ref().map_or_else(Vec::new, |last| changed(last, &now));
        if io::stdout().is_terminal() && !json {
            screen(&now, &changes, members)?;
        } else if last.is_none() || !changes.is_empty() {
            let mut out = io::stdout().lock();
            if json {
                writeln!(out, "{}", serde_json::to_string(&now).map_err(io::Error::other)?)?;
            } else {
                out.write_all(table::page(&now, None, Style::of_output(members)).as_bytes())?;
                writeln!(out)?;
            }
            out.flush()?;
        }
        last = Some(now);
    }
    Ok(last.map_or(State::Unknown, |overview| overview.state))
}

/// The page from the top of the screen, each line cleared to its end, then the rest of the screen.
fn screen(now: &Overview, changes: &[String], members: bool) -> io::Result<()> {
    let style = Style::of_output(members);
    let mut page = table::page(now, None, style);
    for change in changes {
        page.push_str(&format!("\n* {}", terminal::clean(change)));
    }
    let lines = terminal::size().map_or(usize::MAX, |(_, lines)| lines.max(4));
    let mut text = "\x1b[H".to_string();
    let total = page.lines().count();
    let shown = if total >= lines { lines - 2 } else { total };
    for line in page.lines().take(shown) {
        text.push_str(line);
        text.push_str("\x1b[K\n");
    }
    if shown < total {
        text.push_str(&format!("({} more lines: enlarge the window)\x1b[K\n", total - shown));
    }
    text.push_str("\x1b[J");
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What is otherwise than before, in words: states, and findings that came or went.
fn changed(before: &Overview, now: &Overview) -> Vec<String> {
    let mut all = Vec::new();
    for verdict in &now.services {
        let old = before.services.iter().find(|one| one.service == verdict.service).map(|one| one.state);
        if old != Some(verdict.state) {
            let old = old.map_or("not found", State::name);
            all.push(format!("{}: {old} -> {}", verdict.service.name(), verdict.state.name()));
        }
    }
    for gone in &before.services {
        if !now.services.iter().any(|one| one.service == gone.service) {
            all.push(format!("{}: {} -> not found", gone.service.name(), gone.state.name()));
        }
    }
    let keys = |overview: &Overview| -> Vec<(String, String, u8)> {
        let own = overview.services.iter().flat_map(|verdict| &verdict.findings);
        own.chain(&overview.findings)
            .map(|finding| (finding.code.clone(), finding.subject.clone(), finding.severity as u8))
            .collect()
    };
    let (old, new) = (keys(before), keys(now));
    for (sign, these, those) in [("+", &new, &old), ("-", &old, &new)] {
        let fresh = these.iter().filter(|key| !those.contains(key));
        all.extend(fresh.map(|(code, subject, _)| format!("{sign} {code} {subject}").trim_end().to_string()));
    }
    all
}
