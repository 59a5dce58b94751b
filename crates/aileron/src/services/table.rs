//! The overview for people: a line a service, then what is not as it should be and what to do.

use std::io::{self, Write};

use services::{Finding, Overview};

/// Writes the whole page.
pub(super) fn write(out: &mut impl Write, overview: &Overview) -> io::Result<()> {
    writeln!(out, "{}: {}", overview.state.name(), overview.summary)?;
    for verdict in &overview.services {
        writeln!(out, "{:<12} {:<9} {}", verdict.service.name(), verdict.state.name(), verdict.summary)?;
    }
    for finding in overview.findings.iter().chain(overview.services.iter().flat_map(|one| &one.findings)) {
        write_finding(out, finding)?;
    }
    Ok(())
}

fn write_finding(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    writeln!(out, "\n{}\n  {}", finding.code, finding.cause)?;
    if !finding.next.is_empty() {
        writeln!(out, "  next: {}", finding.next)?;
    }
    Ok(())
}
