//! One measurement: sets a scenario up on a broker, lets it run, counts, and
//! takes everything down again. One thread and one poll for all connections, so
//! that the broker beside it is what is measured.

use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use amqp::Properties;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::Trouble;
use crate::link::{Address, Link};
use crate::peers::{Answerer, Caller, Consumer, Part, Peer, Publisher, Tally, put_message};
use crate::process;
use crate::scenario::{Route, Scenario};

/// What a measurement came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// In the scenario's unit.
    pub(crate) rate: f64,
    /// Cores the broker kept busy, where its process is known.
    pub(crate) cores: Option<f64>,
    /// Microseconds, where the scenario has a latency: median and 99th percentile.
    pub(crate) latency: Option<(u32, u32)>,
}

/// How long to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// Runs a scenario against one broker.
///
/// # Errors
/// The broker cannot be reached, refuses something or hangs up.
pub(crate) fn measure(
    scenario: &Scenario,
    address: &Address,
    pid: Option<u32>,
    span: Span,
) -> Result<Figures, Trouble> {
    let stage = Stage::set(scenario, address)?;
    let result = stage.peers(scenario, address).and_then(|peers| run(scenario, peers, pid, span));
    let cleared = stage.clear(address);
    let figures = result?;
    cleared.map(|()| figures)
}

/// The queues and the exchange of a measurement.
struct Stage {
    exchange: String,
    queues: Vec<String>,
}

impl Stage {
    /// Declares and binds.
    fn set(scenario: &Scenario, address: &Address) -> Result<Self, Trouble> {
        let mut link = Link::open(address)?;
        let prefix = format!("brokerbench-{}", std::process::id());
        let queues: Vec<_> = (0..scenario.queues).map(|n| format!("{prefix}-{n}")).collect();
        for queue in &queues {
            link.declare_queue(queue, scenario.durable)?;
        }
        let kind = match scenario.route {
            Route::Default => return Ok(Self { exchange: String::new(), queues }),
            Route::Fanout => "fanout",
            Route::Topic(_) => "topic",
        };
        link.declare_exchange(&prefix, kind)?;
        if let Route::Topic(bindings) = scenario.route {
            for (n, queue) in (0..bindings).zip(queues.iter().cycle()) {
                link.bind(queue, &prefix, &Scenario::pattern(n))?;
            }
        } else {
            for queue in &queues {
                link.bind(queue, &prefix, "")?;
            }
        }
        Ok(Self { exchange: prefix, queues })
    }

    /// Connects everybody who takes part.
    fn peers(&self, scenario: &Scenario, address: &Address) -> Result<Vec<Peer>, Trouble> {
        let first = self.queues.first().map(String::as_str).unwrap_or_default();
        if scenario.calls > 0 {
            return self.callers(scenario, address, first);
        }
        let mut peers = Vec::new();
        for queue in self.queues.iter().filter(|_| scenario.consumed) {
            let mut link = Link::open(address)?;
            link.consume(queue, scenario.ack_batch == 0, scenario.prefetch)?;
            peers.push(Peer::new(link, Part::Consumer(Consumer { ack_batch: scenario.ack_batch, acked: 0 })));
        }
        let mut link = Link::open(address)?;
        if scenario.window > 0 {
            link.confirms()?;
        }
        let delivery_mode = scenario.durable.then_some(2);
        let properties = Properties { delivery_mode, ..Properties::default() };
        let body = vec![b'x'; scenario.size];
        let message = |key: &String| {
            let mut bytes = Vec::new();
            put_message(&mut bytes, &self.exchange, key, &properties, &body, link.frame_max);
            bytes
        };
        let messages: Vec<_> = scenario.keys(first).iter().map(message).collect();
        peers.push(Peer::new(link, Part::Publisher(Publisher::new(&messages, scenario.window))));
        Ok(peers)
    }

    fn callers(&self, scenario: &Scenario, address: &Address, server: &str) -> Result<Vec<Peer>, Trouble> {
        let mut answering = Link::open(address)?;
        answering.consume(server, true, 0)?;
        let mut calling = Link::open(address)?;
        let reply_to = calling.declare_queue("", false)?;
        calling.consume(&reply_to, true, 0)?;
        let mut caller = Caller {
            server: server.to_owned(),
            reply_to,
            body: vec![b'x'; scenario.size],
            under_way: vec![Instant::now(); scenario.calls],
        };
        for place in 0..scenario.calls {
            caller.call(place, &mut calling.output, calling.frame_max);
        }
        Ok(vec![
            Peer::new(answering, Part::Answerer(Answerer::default())),
            Peer::new(calling, Part::Caller(caller)),
        ])
    }

    /// Deletes what was declared.
    fn clear(&self, address: &Address) -> Result<(), Trouble> {
        let mut link = Link::open(address)?;
        for queue in &self.queues {
            link.delete_queue(queue)?;
        }
        if self.exchange.is_empty() { Ok(()) } else { link.delete_exchange(&self.exchange) }
    }
}

/// Lets the peers work; counts between the end of the warm-up and the end.
fn run(scenario: &Scenario, mut peers: Vec<Peer>, pid: Option<u32>, span: Span) -> Result<Figures, Trouble> {
    let mut poll = Poll::new()?;
    for (number, peer) in peers.iter().enumerate() {
        peer.link.stop_waiting()?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut SourceFd(&peer.link.stream.as_raw_fd()), Token(number), interest)?;
    }
    let mut events = Events::with_capacity(64);
    let mut tally = Tally::default();
    // Who has something to do, and whether its socket said that it takes more.
    let mut busy = vec![(true, false); peers.len()];
    let start = Instant::now();
    let mut mark = None;
    loop {
        let elapsed = start.elapsed();
        if mark.is_none() && elapsed >= span.warm_up {
            tally.latencies.clear();
            mark = Some((Instant::now(), done(scenario, &tally), pid.and_then(process::cpu_seconds)));
        }
        if elapsed >= span.warm_up + span.measured {
            break;
        }
        let wait =
            if busy.iter().any(|(busy, _)| *busy) { Duration::ZERO } else { Duration::from_millis(50) };
        if let Err(error) = poll.poll(&mut events, Some(wait))
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(error.into());
        }
        for event in &events {
            if let Some(state) = busy.get_mut(event.token().0) {
                *state = (true, state.1 || event.is_writable());
            }
        }
        for (peer, state) in peers.iter_mut().zip(&mut busy).filter(|(_, state)| state.0) {
            *state = (peer.turn(state.1, &mut tally)?, false);
        }
    }
    let (since, before, cpu_before) = mark.ok_or("the run ended before its warm-up")?;
    let seconds = since.elapsed().as_secs_f64();
    let cpu =
        pid.and_then(process::cpu_seconds).zip(cpu_before).map(|(after, before)| (after - before) / seconds);
    #[allow(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    let rate = (done(scenario, &tally) - before) as f64 / seconds;
    Ok(Figures { rate, cores: cpu, latency: percentiles(tally.latencies) })
}

/// What the scenario's rate counts.
fn done(scenario: &Scenario, tally: &Tally) -> u64 {
    match (scenario.calls, scenario.consumed) {
        (0, true) => tally.consumed,
        (0, false) => tally.confirmed,
        _ => tally.calls,
    }
}

fn percentiles(mut latencies: Vec<u32>) -> Option<(u32, u32)> {
    latencies.sort_unstable();
    let at = |share: usize| latencies.get(latencies.len() * share / 100).copied();
    at(50).zip(at(99))
}
