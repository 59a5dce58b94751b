//! The four ways an exchange routes.

/// How an exchange decides where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ExchangeKind {
    /// To the destinations bound with exactly the message's routing key.
    Direct,
    /// To every destination bound.
    Fanout,
    /// To the destinations whose pattern of words matches the routing key.
    Topic,
    /// To the destinations whose arguments match the message's headers.
    Headers,
}

impl ExchangeKind {
    /// The name in `exchange.declare` and in listings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
        }
    }

    /// Reads the name in `exchange.declare`; none for a kind there is not.
    pub(crate) fn from_name(name: &str) -> Option<ExchangeKind> {
        [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic, ExchangeKind::Headers]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

impl std::fmt::Display for ExchangeKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}
