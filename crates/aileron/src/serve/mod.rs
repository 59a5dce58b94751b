//! `aileron serve`: the daemon's life. Settings in, broker and control socket up, ready lines out,
//! then waiting for a signal or `rabbitmqctl stop`, then down in order.
//!
//! `data_folder` looks whether the folder can be used before anything is done, and closes it to others; `error` says why
//! a start fails.

mod data_folder;
mod error;

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use broker::{Broker, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

pub(crate) use data_folder::make_private;
pub(crate) use error::ServeError;

use crate::allocator;
use crate::config::{Config, Watermark};
use crate::ctl::server::{Facts, Server, environment};
use crate::ctl::term::Term;
use crate::log;
use crate::services::lookout::Lookout;
use crate::systemd;

/// Runs the daemon until it is asked to stop; `standby` lets no clients in until that is asked for.
pub(crate) fn run(config: &Config, standby: bool) -> Result<(), ServeError> {
    log::to_stderr(&config.log.level);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(allocator::at_rest)
        .build()
        .map_err(|source| ServeError::System { attempted: "start the runtime", source })?;
    runtime.block_on(serve(config, standby))
}

async fn serve(config: &Config, standby: bool) -> Result<(), ServeError> {
    let begun = Instant::now();
    let settings = Settings { standby, ..settings(config)? };
    introduce(config, &settings);
    data_folder::prepare(&settings.data_dir)?;
    data_folder::close(&settings.data_dir);
    let path = &config.ctl.socket;
    let server = Server::bind(path).map_err(|source| ServeError::Socket { path: path.clone(), source })?;
    let (open, gate) = watch::channel(None);
    let lookout = Lookout::new(config);
    let control = server
        .start(Arc::new(facts(config, lookout.clone())), gate, tokio::runtime::Handle::current())
        .map_err(|source| ServeError::System { attempted: "start the control socket's thread", source })?;
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
    let (health, seconds) = (broker.health(), begun.elapsed().as_secs_f64());
    tracing::info!(
        seconds,
        connections_max = health.max_connections,
        files_max = health.file_descriptors.1,
        "ready"
    );
    let watching = lookout.start(config);
    let watchdog = tokio::spawn(systemd::feed_watchdog(broker.clone()));
    let reason = tokio::select! {
        () = broker.stop_requested() => "rabbitmqctl stop",
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    tracing::info!(reason, "stopping");
    watchdog.abort();
    systemd::tell("STOPPING=1");
    broker.shutdown().await;
    if let Some(watching) = watching {
        watching.stop().await;
    }
    // The socket goes with it.
    drop(control);
    tracing::info!(seconds = begun.elapsed().as_secs(), "stopped");
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

/// Who this is and what is in force, for whoever reads the log later.
fn introduce(config: &Config, settings: &Settings) {
    let absolute =
        |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string();
    let shown = |path: Option<&Path>| path.map_or_else(|| "none".to_string(), absolute);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        emulates = broker::EMULATED_VERSION,
        pid = std::process::id(),
        user = rustix::process::geteuid().as_raw(),
        node = settings.node_name,
        config = shown(config.file.as_deref()),
        environment_file = shown(config.environment_file.as_deref()),
        data_dir = absolute(&settings.data_dir),
        ctl_socket = absolute(&config.ctl.socket),
        listen = config.broker.listen.join(" "),
        "aileron starts"
    );
    tracing::info!(
        memory_limit = settings.memory_limit,
        memory_for_messages = settings.memory_for_messages,
        disk_free_limit = settings.disk_free_limit,
        max_message_size = settings.max_message_size,
        max_connections = settings.max_connections,
        "limits, in bytes"
    );
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
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

/// The addresses that names in `broker.listen` stand for.
pub(crate) fn addresses(listen: &[String]) -> Result<Vec<SocketAddr>, ServeError> {
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
