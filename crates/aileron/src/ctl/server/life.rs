//! Requests that let clients in, keep them out, or ask whether the node lives; they wait, but for no disk.

use broker::{Broker, StartError};

use super::super::protocol::{Refusal, Request};
use super::super::term::Term;
use crate::{holder, systemd};

/// Carries one out.
pub(super) async fn change(request: Request, broker: Option<Broker>) -> Result<Term, Refusal> {
    let broker = broker.ok_or(Refusal::NotReady)?;
    let refused = |error: &dyn std::fmt::Display| Refusal::Other(error.to_string());
    match request {
        Request::SuspendListeners => broker.suspend_listeners().await,
        Request::ResumeListeners => broker.resume_listeners().await.map_err(|error| match &error {
            StartError::Listen { address, source } => {
                refused(&format!("{error}{}", holder::way_to(*address, source)))
            }
            _ => refused(&error),
        })?,
        Request::StandBy { reason } => broker.stand_by(&reason).await,
        Request::SelfCheck => systemd::answers(&broker).await.map_err(|error| refused(&error))?,
        _ => return Err(Refusal::BadRequest("that is no change of the node's life".to_string())),
    }
    Ok(Term::atom("ok"))
}
