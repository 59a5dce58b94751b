//! The daemon's end of the control socket.
//!
//! Only root and the user the daemon runs as may speak: the socket's mode is 0600, and each
//! connection's user is checked as well. A connection is greeted at once, so that a node that is
//! still reading its disk can be waited for; everything that needs the broker is refused until it is
//! there.
//!
//! All of it is done on a thread of its own, with a runtime of its own: an operator has to be answered just when the
//! broker's threads are not to be had. What waits for a lock or a disk holds a thread of that runtime's and a place
//! among [`WORK_MAX`], and nobody else: who greets and pings needs neither. `answers` carries requests out, `life` those that open and close the node, `definitions` reads and writes RabbitMQ's file, `rows` and `state` turn what the broker says into terms.

mod answers;
mod definitions;
mod environment;
mod life;
mod replies;
mod rows;
mod state;

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Broker;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tracing::Instrument;

pub(crate) use environment::environment;

use super::protocol::{Hello, LINE_MAX, Refusal, Reply, Request};
use super::term::Term;
use crate::holder;
use crate::services::lookout::Lookout;

/// Requests that are carried out at a time; more wait, and those that wait for a lock or a disk count.
const WORK_MAX: usize = 32;
/// How long a client may take for its next request.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// How long a client may take to read a part of its answer.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// Bytes of an answer that are gathered before they are written.
const GATHER: usize = 64 << 10;
/// Pause after the system refused to hand out a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the server knows besides the broker.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The node's name.
    pub(crate) node: String,
    /// The settings, for `environment`.
    pub(crate) environment: Term,
    /// The configuration file, if there is one.
    pub(crate) config_file: Option<PathBuf>,
    /// The memory watermark as configured, for `status`: `relative` or `absolute` with its value.
    pub(crate) watermark: (&'static str, Term),
    /// What is seen of the services beside this one.
    pub(crate) lookout: Lookout,
}

/// The control socket, listening.
#[derive(Debug)]
pub(crate) struct Server {
    listener: std::os::unix::net::UnixListener,
    path: PathBuf,
    owner: u32,
}

/// The control socket being served.
#[derive(Debug)]
pub(crate) struct Serving {
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Serving {
    /// Ends it: the socket is gone afterwards. Requests that wait are left behind.
    fn drop(&mut self) {
        drop(self.end.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the control socket's thread panicked");
        }
    }
}

/// What every connection is served with.
struct Context {
    facts: Arc<Facts>,
    gate: Gate,
    /// Places for requests that are carried out.
    work: Arc<Semaphore>,
    /// The broker's own runtime: what opens and closes listeners belongs there.
    main: Handle,
}

/// A child of a process that was killed just now may hold its socket for so long, until it runs a program of its own.
const OLD_SOCKET_TIME: Duration = Duration::from_secs(1);

/// The broker once it has started.
pub(crate) type Gate = watch::Receiver<Option<Broker>>;

impl Server {
    /// Makes the socket. One that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// `AddrInUse` where another process answers there, and what the file system says.
    pub(crate) fn bind(path: &Path) -> io::Result<Server> {
        remove_stale(path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let owner = std::fs::metadata(path)?.uid();
        Ok(Server { listener, path: path.to_path_buf(), owner })
    }

    /// Serves on a thread of its own until the answer is dropped. `main` is the broker's runtime.
    ///
    /// # Errors
    /// The system has no thread, or no more files, for it.
    pub(crate) fn start(self, facts: Arc<Facts>, gate: Gate, main: Handle) -> io::Result<Serving> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            UnixListener::from_std(self.listener.try_clone()?)?
        };
        let (end, ended) = oneshot::channel();
        let work = Arc::new(Semaphore::new(WORK_MAX));
        let context = Arc::new(Context { facts, gate, work, main });
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = self.accept(&listener, &context) => {}
                    _ = ended => {}
                }
            });
            // What waits for a lock may wait for ever.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("ctl".to_string()).spawn(serve)?;
        Ok(Serving { end: Some(end), thread: Some(thread) })
    }

    async fn accept(&self, listener: &UnixListener, context: &Arc<Context>) {
        let places = Places::new();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    if !self.may_speak(&stream) {
                        let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                        tracing::warn!(uid, "somebody else's user was turned away from the control socket");
                        continue;
                    }
                    let Some(place) = places.take().await else { return };
                    let context = Arc::clone(context);
                    // Whatever is changed now is logged with who asked for it.
                    let asked_by = operator(&stream);
                    let conversation = async move {
                        if let Err(error) = converse(stream, &context, &place).await {
                            tracing::debug!(%error, "a control connection ended early");
                        }
                    };
                    tokio::spawn(conversation.instrument(asked_by));
                }
                Err(error) => {
                    tracing::warn!(%error, "no control connection could be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn may_speak(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == self.owner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, or left behind: the next start replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// How many may be connected at a time: as many as leave the broker its files. When all places are taken, whoever has
/// been silent longest gives way, so that a crowd that says nothing keeps no operator, and no monitor, out.
struct Places {
    free: Arc<Semaphore>,
    /// Told to whoever has waited longest for its client.
    crowd: Arc<Notify>,
}

/// One of the places.
struct Place {
    crowd: Arc<Notify>,
    _held: OwnedSemaphorePermit,
}

impl Places {
    fn new() -> Places {
        // The broker raises its limit to the maximum as it starts.
        let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let places = usize::try_from(broker::operators(files)).unwrap_or(usize::MAX).max(1);
        Places { free: Arc::new(Semaphore::new(places)), crowd: Arc::default() }
    }

    /// A place, as soon as there is one; `None` never, but at the end of the process.
    async fn take(&self) -> Option<Place> {
        let mut held = Arc::clone(&self.free).try_acquire_owned().ok();
        if held.is_none() {
            self.crowd.notify_one();
            held = Arc::clone(&self.free).acquire_owned().await.ok();
            // Where nobody was silent the word is kept for the next who is, and is out of date now.
            pin!(self.crowd.notified()).as_mut().enable();
        }
        Some(Place { crowd: Arc::clone(&self.crowd), _held: held? })
    }
}

/// Removes a socket whose process is gone; anything else in its place is left alone.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is not a socket"))
        }
        Ok(_) => {
            let until = Instant::now() + OLD_SOCKET_TIME;
            loop {
                match std::os::unix::net::UnixStream::connect(path) {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        return std::fs::remove_file(path);
                    }
                    Err(error) => return Err(error),
                    Ok(other) if Instant::now() >= until => {
                        return Err(io::Error::new(
                            io::ErrorKind::AddrInUse,
                            format!("{} answers there", who(&other)),
                        ));
                    }
                    Ok(_) => std::thread::sleep(OLD_SOCKET_TIME / 20),
                }
            }
        }
    }
}

/// Who is at the other end of a control connection, for the log.
fn operator(stream: &UnixStream) -> tracing::Span {
    let peer = stream.peer_cred().ok();
    let uid = peer.as_ref().map(tokio::net::unix::UCred::uid);
    tracing::info_span!("rabbitmqctl", uid, pid = peer.and_then(|peer| peer.pid()))
}

/// Whoever listens at the other end.
fn who(other: &std::os::unix::net::UnixStream) -> String {
    match rustix::net::sockopt::socket_peercred(other) {
        Ok(peer) => holder::in_words(peer.pid.as_raw_nonzero().get().unsigned_abs()),
        Err(_) => "another process".to_string(),
    }
}

/// One client's requests, one after the other. One that goes is not waited for.
async fn converse(stream: UnixStream, context: &Context, place: &Place) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (facts, gate) = (Arc::clone(&context.facts), context.gate.clone());
    let greeting = async {
        let greeting = tokio::task::spawn_blocking(move || hello(&facts, gate.borrow().as_ref()));
        greeting.await.map_err(io::Error::other)
    };
    let Some(hello) = unless_gone(&mut stream, greeting).await? else { return Ok(()) };
    write(&mut stream, &line(&hello)?).await?;
    loop {
        let request = tokio::select! {
            request = read_request(&mut stream) => request?,
            () = place.crowd.notified() => None,
        };
        let Some(request) = request else { return Ok(()) };
        let replies = match request {
            Ok(Request::Stop) => return stop(&mut stream, &context.gate).await,
            Ok(Request::AwaitStartup) => {
                let mut gate = context.gate.clone();
                let started = async { Ok(gate.wait_for(Option::is_some).await.is_ok()) };
                unless_gone(&mut stream, started).await?.map(|started| {
                    vec![if started {
                        Reply::Done(Term::atom("ok"))
                    } else {
                        Reply::Refused(Refusal::NotReady)
                    }]
                })
            }
            Ok(request) => unless_gone(&mut stream, carry_out(request, context)).await?,
            Err(refusal) => {
                return write(&mut stream, &line(&Reply::Refused(refusal))?).await;
            }
        };
        let Some(replies) = replies else { return Ok(()) };
        send(&mut stream, replies).await?;
    }
}

/// Has a request carried out where it belongs.
async fn carry_out(request: Request, context: &Context) -> io::Result<Vec<Reply>> {
    let broker = context.gate.borrow().clone();
    let facts = Arc::clone(&context.facts);
    let replies = match request {
        Request::SuspendListeners
        | Request::ResumeListeners
        | Request::StandBy { .. }
        | Request::SelfCheck => {
            let changed = async move {
                vec![life::change(request, broker).await.map_or_else(Reply::Refused, Reply::Done)]
            };
            context.main.spawn(changed.in_current_span()).await
        }
        // Answered by this process alone, whatever its broker waits for.
        Request::Ping | Request::Environment | Request::Process => {
            return Ok(answers::answer(request, broker.as_ref(), &facts));
        }
        request => {
            let place = Arc::clone(&context.work).acquire_owned().await.map_err(io::Error::other)?;
            let asked_by = tracing::Span::current();
            tokio::task::spawn_blocking(move || {
                let replies = asked_by.in_scope(|| answers::answer(request, broker.as_ref(), &facts));
                drop(place);
                replies
            })
            .await
        }
    };
    replies.map_err(io::Error::other)
}

/// What the work comes to, or nothing where the client has gone before.
async fn unless_gone<T>(
    stream: &mut BufReader<UnixStream>,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<Option<T>> {
    let gone = async {
        match stream.fill_buf().await {
            // The next request.
            Ok(bytes) if !bytes.is_empty() => std::future::pending().await,
            _ => {}
        }
    };
    tokio::select! {
        done = work => done.map(Some),
        () = gone => Ok(None),
    }
}

fn hello(facts: &Facts, broker: Option<&Broker>) -> Hello {
    Hello {
        node: facts.node.clone(),
        pid: std::process::id(),
        ready: broker.is_some(),
        listening: broker.is_some_and(Broker::is_listening),
        standing_by: broker.map(Broker::stands_by),
        log_failed: broker.is_some_and(Broker::log_has_failed),
        hung_disk: broker.and_then(Broker::hung_disk).map(|hung| hung.to_string()),
        log_position: broker.map_or(0, Broker::log_position),
    }
}

/// Answers, then has the node ended. The connection stays open until the process is gone: that is
/// what the client waits for.
async fn stop(stream: &mut BufReader<UnixStream>, gate: &Gate) -> io::Result<()> {
    let Some(broker) = gate.borrow().clone() else {
        return write(stream, &line(&Reply::Refused(Refusal::NotReady))?).await;
    };
    write(stream, &line(&Reply::Done(Term::atom("ok")))?).await?;
    tracing::info!("the node was asked to stop over the control socket");
    broker.request_stop();
    std::future::pending().await
}

/// The next request; `None` at the end, an error inside for one that is not understood.
async fn read_request(stream: &mut BufReader<UnixStream>) -> io::Result<Option<Result<Request, Refusal>>> {
    let mut bytes = Vec::new();
    let mut limited = stream.take(LINE_MAX);
    let read = tokio::time::timeout(REQUEST_TIME, limited.read_until(b'\n', &mut bytes)).await;
    match read {
        Err(_) => return Ok(None),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(0)) => return Ok(None),
        Ok(Ok(_)) => {}
    }
    if bytes.last() != Some(&b'\n') {
        return Ok(Some(Err(Refusal::BadRequest("the request is cut off or too long".to_string()))));
    }
    // The error's text would show parts of the request, and a request may hold a password.
    let refusal = |_| Refusal::BadRequest("the request is not one this server understands".to_string());
    Ok(Some(serde_json::from_slice(&bytes).map_err(refusal)))
}

/// Writes a whole answer, many rows at a time.
async fn send(stream: &mut BufReader<UnixStream>, replies: Vec<Reply>) -> io::Result<()> {
    let mut gathered = Vec::with_capacity(GATHER);
    for reply in replies {
        gathered.append(&mut line(&reply)?);
        if gathered.len() >= GATHER {
            write(stream, &gathered).await?;
            gathered.clear();
        }
    }
    write(stream, &gathered).await
}

async fn write(stream: &mut BufReader<UnixStream>, bytes: &[u8]) -> io::Result<()> {
    let written = tokio::time::timeout(WRITE_TIME, stream.write_all(bytes)).await;
    written.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
}

fn line(value: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value).map_err(io::Error::other)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests;
