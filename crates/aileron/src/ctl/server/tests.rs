//! The socket itself: who may have it, and what it says while there is no broker yet.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream as Client;

use super::super::client::{Link, LinkError};
use super::super::protocol::Listing;
use super::*;
use crate::services::lookout::{ToldHistory, ToldOverview};

fn facts() -> Arc<Facts> {
    Arc::new(Facts {
        node: "rabbit@here".into(),
        environment: Term::List(Vec::new()),
        config_file: None,
        watermark: ("relative", Term::Float(0.4)),
        lookout: Lookout::default(),
    })
}

/// Serves at a fresh path, with no broker, while `test` talks to it from a thread that may block.
async fn with_server(test: impl FnOnce(PathBuf) + Send + 'static) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ctl.sock");
    let (_open, gate) = watch::channel(None);
    let server = Server::bind(&path).expect("bound");
    let serving = server.start(facts(), gate, Handle::current()).expect("a thread");
    let talked = tokio::task::spawn_blocking({
        let path = path.clone();
        move || test(path)
    });
    talked.await.expect("the talk went well");
    drop(serving);
    assert!(!path.exists(), "the socket goes with its server");
}

const LIMIT: Option<Duration> = Some(Duration::from_secs(5));

#[tokio::test]
async fn a_starting_node_greets_answers_a_ping_and_refuses_the_rest() {
    with_server(|path| {
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut link = Link::open(&path, LIMIT).expect("greeted");
        assert_eq!((link.hello().node.as_str(), link.hello().ready), ("rabbit@here", false));
        assert_eq!(link.ask(&Request::Ping).expect("answered").end, Ok(Term::atom("ok")));
        let list = Request::List { what: Listing::Users, vhost: String::new(), columns: vec!["user".into()] };
        for request in [list, Request::Status, Request::Stop] {
            let mut link = Link::open(&path, LIMIT).expect("greeted");
            assert_eq!(link.ask(&request).expect("answered").end, Err(Refusal::NotReady), "{request:?}");
        }
        let mut waiting = Link::open(&path, Some(Duration::from_millis(200))).expect("greeted");
        assert!(matches!(waiting.ask(&Request::AwaitStartup), Err(LinkError::TimedOut)));
    })
    .await;
}

#[tokio::test]
async fn what_is_seen_of_the_services_is_told_before_there_is_a_broker() {
    with_server(|path| {
        let mut link = Link::open(&path, LIMIT).expect("greeted");
        let told: ToldOverview = link.document(&Request::ServicesOverview).expect("sent").expect("told");
        assert_eq!((told.version, told.overview), (1, None));
        let request = Request::ServicesHistory { since: 0 };
        let told: ToldHistory = link.document(&request).expect("sent").expect("told");
        assert_eq!((told.version, told.changes.len()), (1, 0));
        // What a program sends that has no code of ours.
        let mut stream = Client::connect(&path).expect("connected");
        stream.write_all(b"{\"command\":\"services_history\"}\n").expect("sent");
        let answer = BufReader::new(stream).lines().nth(1).expect("a second line").expect("text");
        assert!(answer.starts_with("{\"document\":{\"began_at\":0,"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn nonsense_is_refused_without_repeating_it() {
    with_server(|path| {
        for line in
            [&b"{\"command\":\"add_user\",\"name\":1,\"password\":\"hunter2\"}\n"[..], b"\xff\xfe\n", b"[]\n"]
        {
            let mut stream = Client::connect(&path).expect("connected");
            stream.write_all(line).expect("sent");
            let answer: Vec<String> =
                BufReader::new(stream).lines().map(|line| line.expect("text")).collect();
            assert_eq!(answer.len(), 2, "greeting and refusal: {answer:?}");
            assert!(answer.iter().all(|line| !line.contains("hunter2")), "{answer:?}");
            assert!(answer.last().is_some_and(|line| line.contains("bad_request")), "{answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_without_an_end_is_cut_off() {
    with_server(|path| {
        let mut stream = Client::connect(&path).expect("connected");
        let block = vec![b'x'; 64 << 10];
        // The server stops reading at its limit and closes, so writing fails at some point.
        for _ in 0..64 {
            if stream.write_all(&block).is_err() {
                break;
            }
        }
        let mut link = Link::open(&path, LIMIT).expect("others are served");
        assert!(link.ask(&Request::Ping).is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_the_broker_keeps_nobody_from_being_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = broker::Settings::new("rabbit@here", folder.path().join("data"));
    settings.listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let broker = Broker::start(settings).await.expect("started");
    let address = *broker.addresses().first().expect("it listens");
    let path = folder.path().join("ctl.sock");
    let (_open, gate) = watch::channel(Some(broker));
    let server = Server::bind(&path).expect("bound");
    let serving = server.start(facts(), gate, Handle::current()).expect("a thread");
    let talked = tokio::task::spawn_blocking(move || {
        let clients: Vec<_> =
            (0..=2 * WORK_MAX).map(|_| std::net::TcpStream::connect(address).expect("connected")).collect();
        std::thread::sleep(Duration::from_millis(300));
        // Each closes one, and waits for a long time before the next.
        let line =
            br#"{"command":"close_all_connections","vhost":null,"reason":"x","limit":0,"delay_ms":60000}"#;
        let waiting: Vec<_> = (0..WORK_MAX)
            .map(|_| {
                let mut stream = Client::connect(&path).expect("connected");
                stream.write_all(&[line, &b"\n"[..]].concat()).expect("sent");
                stream
            })
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        for request in [Request::Ping, Request::Environment, Request::SelfCheck] {
            let mut link = Link::open(&path, LIMIT).expect("greeted");
            assert!(link.ask(&request).expect("answered").end.is_ok(), "{request:?}");
        }
        // What is worked on waits for its turn, and its client for no longer than it wants to.
        let mut late = Link::open(&path, Some(Duration::from_millis(300))).expect("greeted");
        assert!(matches!(late.ask(&Request::Status), Err(LinkError::TimedOut)));
        // Nor do those that give up keep others out.
        for _ in 0..256 {
            let mut stream = Client::connect(&path).expect("connected");
            stream.write_all(b"{\"command\":\"status\"}\n").expect("sent");
        }
        let mut link = Link::open(&path, LIMIT).expect("greeted");
        assert!(link.ask(&Request::Ping).expect("answered").end.is_ok());
        drop((clients, waiting));
    });
    talked.await.expect("the talk went well");
    drop(serving);
}

#[tokio::test]
async fn a_left_behind_socket_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("made/on/the/way/ctl.sock");
    let _first = Server::bind(&path).expect("bound, with its folder");
    let second = Server::bind(&path).expect_err("somebody answers there");
    assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("bound"));
    assert!(stale.exists());
    drop(Server::bind(&stale).expect("nobody answers there"));
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "mine").expect("written");
    assert_eq!(Server::bind(&file).expect_err("no socket").kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&file).expect("untouched"), "mine");
}

#[tokio::test]
async fn a_crowd_that_says_nothing_keeps_nobody_out() {
    with_server(|path| {
        let crowd: Vec<Client> = (0..200).map(|_| Client::connect(&path).expect("connected")).collect();
        let mut link = Link::open(&path, LIMIT).expect("greeted");
        assert_eq!(link.ask(&Request::Ping).expect("answered").end, Ok(Term::atom("ok")));
        drop(crowd);
    })
    .await;
}
