//! What the agent tells the cluster and its tools of itself.

use std::io::Write;

use super::code::{Code, Outcome, Trouble};

/// The description, but for the version.
const XML: &str = include_str!("metadata.xml");

/// The description of this release.
pub(super) fn xml() -> String {
    XML.replace("{version}", env!("CARGO_PKG_VERSION"))
}

/// Prints it.
pub(super) fn print() -> Outcome {
    std::io::stdout()
        .write_all(xml().as_bytes())
        .map(|()| Code::Success)
        .map_err(|error| Trouble::failed(format!("cannot print the description: {error}")))
}
