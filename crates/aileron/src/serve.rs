//! `aileron serve`: the daemon's life. Settings in, broker and control socket up, ready lines out,
//! then waiting for a signal or `rabbitmqctl stop`, then down in order.

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use broker::{Broker, Settings, StartError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::allocator;
use crate::config::{Config, Watermark};
use crate::ctl::server::{Facts, Server, environment};
use crate::ctl::term::Term;
use crate::services::lookout::Lookout;
use crate::systemd;

/// Why the daemon ends other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// An address in the configuration is none of this machine's or has no such name.
    #[error("cannot resolve '{address}' of broker.listen: {source}")]
    Address {
        /// The address as configured.
        address: String,
        /// What the resolver says.
        source: std::io::Error,
    },
    /// The control socket cannot be made.
    #[error("cannot listen on the control socket {path}: {source}")]
    Socket {
        /// Its path.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The broker does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The operating system refuses something the daemon cannot do without.
    #[error("cannot {attempted}: {source}")]
    System {
        /// What was attempted.
        attempted: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

/// Runs the daemon until it is asked to stop; `standby` lets no clients in until that is asked for.
pub(crate) fn run(config: &Config, standby: bool) -> Result<(), ServeError> {
    log_to_stderr(&config.log.level);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(allocator::at_rest)
        .build()
        .map_err(|source| ServeError::System { attempted: "start the runtime", source })?;
    runtime.block_on(serve(config, standby))
}

async fn serve(config: &Config, standby: bool) -> Result<(), ServeError> {
    let settings = Settings { standby, ..settings(config)? };
    let path = &config.ctl.socket;
    let server = Server::bind(path)
        .map_err(|source| ServeError::Socket { path: path.display().to_string(), source })?;
    let (open, gate) = watch::channel(None);
    let lookout = Lookout::new(config);
    let control = tokio::spawn(server.run(Arc::new(facts(config, lookout.clone())), gate));
    let system = |source| ServeError::System { attempted: "listen for signals", source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    // A file at the limit of its size (RLIMIT_FSIZE) is an error of the write then, and not our end.
    let _taken = signal(SignalKind::from_raw(libc::SIGXFSZ)).map_err(system)?;
    for name in PASSED_OVER {
        let passed_over = signal(kind_of(name))
            .map_err(|source| ServeError::System { attempted: "listen for signals", source })?;
        tokio::spawn(pass_over(passed_over, name));
    }
    let broker = tokio::select! {
        started = Broker::start(settings) => started?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    open.send_replace(Some(broker.clone()));
    announce(&broker);
    let watching = lookout.start(config);
    let watchdog = tokio::spawn(systemd::feed_watchdog(broker.clone()));
    tokio::select! {
        () = broker.stop_requested() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    watchdog.abort();
    systemd::tell("STOPPING=1");
    broker.shutdown().await;
    if let Some(watching) = watching {
        watching.stop().await;
    }
    control.abort();
    // The socket goes with its task.
    let _ = control.await;
    Ok(())
}

/// Signals that would end the process, sent by whoever is used to daemons that reload or rotate by them.
const PASSED_OVER: [&str; 3] = ["SIGHUP", "SIGUSR1", "SIGUSR2"];

fn kind_of(name: &str) -> SignalKind {
    match name {
        "SIGHUP" => SignalKind::hangup(),
        "SIGUSR1" => SignalKind::user_defined1(),
        _ => SignalKind::user_defined2(),
    }
}

async fn pass_over(mut signal: Signal, name: &'static str) {
    while signal.recv().await.is_some() {
        tracing::info!(signal = name, "passed over: the configuration is read at a start only");
    }
}

fn log_to_stderr(level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}

/// The broker's part of the configuration.
fn settings(config: &Config) -> Result<Settings, ServeError> {
    let own = &config.broker;
    let mut settings = Settings::new(config.node.name.clone(), own.data_dir.clone());
    settings.listen = addresses(&own.listen)?;
    settings.heartbeat = own.heartbeat;
    settings.frame_max = own.frame_max;
    settings.channel_max = own.channel_max;
    settings.max_message_size = own.max_message_size;
    settings.memory_limit = memory_limit(own.memory_high_watermark);
    settings.disk_free_limit = own.disk_free_limit;
    settings.memory_for_messages = own.memory_for_messages;
    settings.loopback_users.clone_from(&own.loopback_users);
    settings.default_vhost.clone_from(&own.default_vhost);
    settings.default_user.clone_from(&own.default_user);
    settings.default_pass.clone_from(&own.default_pass);
    settings.handshake_timeout = own.handshake_timeout;
    settings.max_connections = usize::try_from(own.max_connections).unwrap_or(usize::MAX);
    settings.segment_bytes = config.journal.segment_size;
    settings.disk_timeout = config.journal.disk_timeout;
    settings.give_memory_back = allocator::give_back;
    Ok(settings)
}

fn addresses(listen: &[String]) -> Result<Vec<SocketAddr>, ServeError> {
    let mut all = Vec::new();
    for address in listen {
        let found = address
            .to_socket_addrs()
            .map_err(|source| ServeError::Address { address: address.clone(), source })?;
        all.extend(found);
    }
    Ok(all)
}

fn memory_limit(watermark: Watermark) -> u64 {
    match watermark {
        Watermark::Bytes(bytes) => bytes,
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // A share of a machine's memory, which is far below 2^53 bytes; whole bytes are enough.
        Watermark::Share(share) => (broker::machine_memory() as f64 * share) as u64,
    }
}

fn facts(config: &Config, lookout: Lookout) -> Facts {
    Facts {
        node: config.node.name.clone(),
        environment: environment(config),
        config_file: config.file.clone(),
        watermark: match config.broker.memory_high_watermark {
            Watermark::Share(share) => ("relative", Term::float(share)),
            Watermark::Bytes(bytes) => ("absolute", Term::int(bytes)),
        },
        lookout,
    }
}

/// One line for each listener, then that everything is up; systemd is told as well.
fn announce(broker: &Broker) {
    let mut out = std::io::stdout().lock();
    for address in broker.addresses() {
        // A closed standard output must not end the daemon.
        let _ = writeln!(out, "aileron: amqp listening on {address}");
    }
    if !broker.is_listening() {
        let _ = writeln!(out, "aileron: standing by, listeners are suspended");
    }
    let _ = writeln!(out, "aileron: ready").and_then(|()| out.flush());
    systemd::tell("READY=1");
}
