//! A connection's task on a pipe in memory: partial writes, slow readers, alarms, silence, ends.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::flow::alarms::Resource;
use crate::session::{Ends, serve};

/// The other end of the pipe.
struct Peer {
    pipe: DuplexStream,
    heard: Vec<u8>,
    card: Arc<ConnectionCard>,
    task: JoinHandle<Ends>,
}

impl super::super::io::Socket for DuplexStream {
    fn is_closed(&self) -> bool {
        false
    }
}

impl Peer {
    /// A connection of which nothing has come, over a pipe that holds so many bytes.
    fn connect(server: &Server, room: usize) -> Peer {
        let (pipe, socket) = duplex(room);
        let card = server.card();
        let task = tokio::spawn(serve(socket, Arc::clone(&server.node), Arc::clone(&card)));
        Peer { pipe, heard: Vec::new(), card, task }
    }

    /// One that is open, with channel 1.
    async fn open(server: &Server, room: usize, heartbeat: u16) -> Peer {
        let mut peer = Peer::connect(server, room);
        peer.send(&greeting(heartbeat)).await;
        peer.say(1, &Method::ChannelOpen).await;
        peer.until("1 channel.open-ok").await;
        peer
    }

    /// Writes while it reads: neither side waits for the other for ever.
    async fn send(&mut self, bytes: &[u8]) {
        let (mut read, mut write) = tokio::io::split(&mut self.pipe);
        let writing = async { write.write_all(bytes).await };
        tokio::pin!(writing);
        loop {
            tokio::select! {
                done = &mut writing => return done.expect("the broker is there"),
                read = read.read_buf(&mut self.heard) => assert!(read.expect("a pipe") > 0, "the broker went"),
            }
        }
    }

    async fn say(&mut self, channel: u16, method: &Method<'_>) {
        let mut bytes = Vec::new();
        method.write_frame(channel, &mut bytes);
        self.send(&bytes).await;
    }

    /// Reads until `done` is content with the whole frames so far, and takes these.
    async fn read_until(&mut self, done: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let reading = async {
            loop {
                let whole = whole_frames(&self.heard);
                if done(&self.heard[..whole]) {
                    return self.heard.drain(..whole).collect();
                }
                assert!(self.pipe.read_buf(&mut self.heard).await.expect("a pipe") > 0, "the broker went");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("in time")
    }

    /// Reads until this is said.
    async fn until(&mut self, what: &str) -> Vec<u8> {
        self.read_until(|bytes| said(bytes).iter().any(|said| said == what)).await
    }

    async fn ended(self) -> Ends {
        let ending = tokio::time::timeout(Duration::from_secs(20), self.task);
        ending.await.expect("in time").expect("no panic")
    }
}

/// How many of the bytes are whole frames.
fn whole_frames(bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let Ok(Some((_, used))) = frame::split(&bytes[whole..], 1 << 24) {
        whole += used;
    }
    whole
}

#[tokio::test]
async fn everything_arrives_over_a_pipe_of_a_few_bytes() {
    let server = Server::new();
    let mut peer = Peer::open(&server, 61, 0).await;
    peer.say(1, &declare("q")).await;
    let body: Vec<u8> = (0..50_000_u32).map(|n| n as u8).collect();
    peer.send(&publish(1, "q", &body)).await;
    let get = Method::BasicGet(basic::Get { queue: "q", ..basic::Get::default() });
    peer.say(1, &get).await;
    peer.say(1, &get).await;
    let heard = peer.until("1 basic.get-empty").await;
    let got = deliveries_in(&heard);
    assert_eq!((got.len(), &got[0].body), (1, &body));
    peer.say(0, &Method::ConnectionClose(connection::Close::default())).await;
    peer.until("0 connection.close-ok").await;
    assert_eq!(peer.ended().await, Ends::Orderly);
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_order_and_holds_nobody_up() {
    let server = Server::new();
    let (mut slow, mut other) = (Peer::open(&server, 4096, 0).await, Peer::open(&server, 1 << 16, 0).await);
    slow.say(1, &declare("q")).await;
    slow.say(1, &consume("q", "slow")).await;
    slow.until("1 basic.consume-ok").await;
    for number in 0..40_u8 {
        other.send(&publish(1, "q", &vec![number; 50_000])).await;
    }
    other.say(1, &declare("q")).await;
    other.until("1 queue.declare-ok").await;
    let waiting = slow.card.link.lock().waiting();
    assert!(waiting < crate::link::OUTBOX_LIMIT + 60_000, "{waiting} bytes wait for it");
    let all = slow.read_until(|bytes| {
        let got = deliveries_in_whole(bytes);
        got.len() == 40 && got.last().is_some_and(|got| got.body.len() == 50_000)
    });
    let numbers: Vec<u8> = deliveries_in_whole(&all.await).iter().map(|got| got.body[0]).collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

/// The deliveries whose method, header and body frames are all there.
fn deliveries_in_whole(bytes: &[u8]) -> Vec<Received> {
    if frames(bytes).last().is_some_and(|frame| frame.kind == frame::BODY) {
        deliveries_in(bytes)
    } else {
        Vec::new()
    }
}

#[tokio::test]
async fn an_alarm_holds_publishers_back_and_lets_them_go_on() {
    let server = Server::new();
    let mut publisher = Peer::open(&server, 1 << 16, 0).await;
    let mut consumer = Peer::open(&server, 1 << 16, 0).await;
    publisher.say(1, &declare("q")).await;
    publisher.send(&publish(1, "q", b"before")).await;
    publisher.say(1, &declare("q")).await;
    publisher.read_until(|bytes| said(bytes).len() == 2).await;
    server.node.alarms.set(Resource::Memory, true);
    publisher.card.link.wake();
    consumer.card.link.wake();
    publisher.until("0 connection.blocked").await;
    publisher.send(&publish(1, "q", b"held back")).await;
    consumer.say(1, &declare("q")).await;
    consumer.until("1 queue.declare-ok").await;
    assert_eq!(server.queue("q").counts().0, 1, "nothing more is read of it");
    server.node.alarms.set(Resource::Memory, false);
    publisher.card.link.wake();
    publisher.until("0 connection.unblocked").await;
    publisher.say(1, &declare("q")).await;
    publisher.until("1 queue.declare-ok").await;
    assert_eq!(server.queue("q").counts().0, 2);
}

#[tokio::test]
async fn heartbeats_go_out_and_silence_ends_a_connection() {
    let server = Server::new();
    let begun = Instant::now();
    let mut peer = Peer::open(&server, 4096, 1).await;
    peer.say(1, &declare("q")).await;
    let is_heartbeat =
        |bytes: &[u8]| frames(bytes).iter().filter(|frame| frame.kind == frame::HEARTBEAT).count() >= 2;
    peer.read_until(is_heartbeat).await;
    let lasted = begun.elapsed();
    assert_eq!(peer.ended().await, Ends::Silent);
    assert!(lasted < Duration::from_secs(2) && begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn whoever_does_not_log_in_in_time_is_let_go() {
    let server = Server::with(|settings| settings.handshake_timeout = Duration::from_millis(50));
    let peer = Peer::connect(&server, 4096);
    assert_eq!(peer.ended().await, Ends::Slow);
    let mut half = Peer::connect(&server, 4096);
    half.send(&PROTOCOL_HEADER).await;
    half.until("0 connection.start").await;
    assert_eq!(half.ended().await, Ends::Slow);
}

#[tokio::test]
async fn a_refused_login_is_answered_late_and_what_comes_behind_it_is_passed_over() {
    let server = Server::new();
    let mut peer = Peer::connect(&server, 4096);
    let begun = Instant::now();
    let whole = greeting(0);
    let right = b"\0guest\0guest";
    let at = whole.windows(right.len()).position(|bytes| bytes == right).expect("the login");
    let mut wrong = whole.clone();
    wrong[at + right.len() - 1] ^= 1;
    peer.send(&wrong).await;
    peer.until("0 connection.close 403").await;
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(5), "{waited:?}");
    peer.say(0, &Method::ConnectionCloseOk).await;
    assert_eq!(peer.ended().await, Ends::Orderly);
    // A node that ends does not wait for it.
    let mut late = Peer::connect(&server, 4096);
    late.send(&wrong).await;
    late.until("0 connection.start").await;
    let begun = Instant::now();
    server.node.stopping.store(true, std::sync::atomic::Ordering::Release);
    late.card.link.request_close("it is late");
    assert_eq!(late.ended().await, Ends::Orderly);
    assert!(begun.elapsed() < Duration::from_millis(900));
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let server = Server::new();
    let mut peer = Peer::open(&server, 1 << 16, 0).await;
    let mine = queue::Declare { queue: "mine", exclusive: true, ..queue::Declare::default() };
    peer.say(1, &Method::QueueDeclare(mine)).await;
    peer.say(1, &declare("q")).await;
    peer.send(&publish(1, "q", b"unacknowledged")).await;
    peer.say(1, &consume("q", "c")).await;
    peer.until("1 basic.deliver").await;
    // Half a frame is the last that comes.
    let half = publish(1, "q", b"never whole");
    peer.send(&half[..half.len() - 3]).await;
    let Peer { pipe, task, .. } = peer;
    drop(pipe);
    assert_eq!(task.await.expect("no panic"), Ends::Lost);
    let vhost = server.node.vhost("/").expect("there");
    assert!(vhost.find_queue("mine").is_none());
    assert_eq!(server.queue("q").counts(), (1, 0));
}

#[tokio::test]
async fn an_operators_close_is_told_and_answered() {
    let server = Server::new();
    let mut peer = Peer::open(&server, 4096, 0).await;
    peer.card.link.request_close("it is late");
    let heard = peer.until("0 connection.close 320").await;
    assert!(String::from_utf8_lossy(&heard).contains("CONNECTION_FORCED - it is late"));
    peer.say(0, &Method::ConnectionCloseOk).await;
    assert_eq!(peer.ended().await, Ends::Orderly);
}
