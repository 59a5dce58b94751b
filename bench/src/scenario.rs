//! What is measured: ten kinds of load, by the names the project's figures use.

/// One kind of load. All queues are classic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// What figures call it.
    pub(crate) name: &'static str,
    /// Bytes of a message's body.
    pub(crate) size: usize,
    /// Durable queues and persistent messages.
    pub(crate) durable: bool,
    /// Messages that may be on their way unconfirmed; 0: without confirms, as fast as they go.
    pub(crate) window: u64,
    /// Messages a consumer acknowledges at once; 0: consumers need not acknowledge.
    pub(crate) ack_batch: u64,
    /// Messages a consumer may hold unacknowledged; 0: no limit.
    pub(crate) prefetch: u16,
    /// Queues, each with a consumer of its own, unless there are none at all.
    pub(crate) queues: usize,
    /// False: messages are stored and stay.
    pub(crate) consumed: bool,
    /// How messages come to the queues.
    pub(crate) route: Route,
    /// Calls under way at a time; 0: plain messages.
    pub(crate) calls: usize,
}

/// The exchange a load goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The default exchange, to the one queue.
    Default,
    /// A fanout exchange: every queue gets every message.
    Fanout,
    /// A topic exchange with this many bindings; every message matches one of them.
    Topic(usize),
}

const PLAIN: Scenario = Scenario {
    name: "",
    size: 16,
    durable: false,
    window: 0,
    ack_batch: 0,
    prefetch: 0,
    queues: 1,
    consumed: true,
    route: Route::Default,
    calls: 0,
};

const STORED: Scenario = Scenario { size: 1024, durable: true, ..PLAIN };

/// All of them, in the order in which they are printed.
pub(crate) const ALL: [Scenario; 10] = [
    Scenario { name: "t16", ..PLAIN },
    Scenario { name: "t1k", size: 1024, ..PLAIN },
    Scenario { name: "ack1", ack_batch: 1, prefetch: 200, ..PLAIN },
    Scenario { name: "ack100", ack_batch: 100, prefetch: 1000, ..PLAIN },
    Scenario { name: "c100", window: 100, ack_batch: 10, prefetch: 200, ..STORED },
    Scenario { name: "s1000", window: 1000, consumed: false, ..STORED },
    Scenario { name: "rpc1", size: 512, calls: 1, ..PLAIN },
    Scenario { name: "rpc64", size: 512, calls: 64, ..PLAIN },
    Scenario { name: "fan10", queues: 10, route: Route::Fanout, ..PLAIN },
    Scenario { name: "topic1000", queues: 10, route: Route::Topic(1000), ..PLAIN },
];

impl Scenario {
    /// What its rate counts.
    pub(crate) fn unit(&self) -> &'static str {
        match (self.calls, self.consumed) {
            (0, true) => "consumed/s",
            (0, false) => "confirmed/s",
            _ => "calls/s",
        }
    }

    /// Routing keys that messages take in turn, all of one length.
    pub(crate) fn keys(&self, queue: &str) -> Vec<String> {
        match self.route {
            Route::Default => vec![queue.to_owned()],
            Route::Fanout => vec!["all".to_owned()],
            Route::Topic(bindings) => (0..bindings).map(|n| format!("region.{n:05}.task")).collect(),
        }
    }

    /// The key of the topic exchange's nth binding: exact, with either wildcard, at either end.
    pub(crate) fn pattern(n: usize) -> String {
        match n % 4 {
            0 => format!("region.{n:05}.task"),
            1 => format!("*.{n:05}.task"),
            2 => format!("region.{n:05}.#"),
            _ => format!("region.{n:05}.*"),
        }
    }
}
