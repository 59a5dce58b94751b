//! A connection to a broker: blocking calls to set things up, then bytes in and
//! out without waiting, for the load loop next door.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use amqp::method::{basic, confirm, connection, exchange, queue};
use amqp::{Frame, Method, RawTable, frame};

use crate::Trouble;

/// All work is on this channel.
pub(crate) const CHANNEL: u16 = 1;
/// How long the broker may take for an answer while things are set up.
const PATIENCE: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 256 * 1024;

/// Where a broker is and how to log in: `amqp://user:password@host:port/vhost`.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    authority: String,
    user: String,
    password: String,
    vhost: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, Trouble> {
        let parts = text.strip_prefix("amqp://").and_then(|rest| {
            let (login, rest) = rest.split_once('@')?;
            let (user, password) = login.split_once(':')?;
            let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
            Some((user, password, authority, vhost))
        });
        let (user, password, authority, vhost) =
            parts.ok_or_else(|| format!("{text}: an address is amqp://user:password@host:port/vhost"))?;
        let vhost =
            if vhost.is_empty() { "/".to_owned() } else { vhost.replace("%2F", "/").replace("%2f", "/") };
        Ok(Self {
            authority: authority.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            vhost,
        })
    }
}

/// One connection with one channel.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
    /// Bytes of `input` that have been worked through.
    used: usize,
    scratch: Vec<u8>,
    pub(crate) output: Vec<u8>,
    /// Bytes of `output` that have been sent.
    sent: usize,
    pub(crate) frame_max: u32,
}

impl Link {
    /// Connects, logs in and opens the channel.
    pub(crate) fn open(address: &Address) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(&address.authority)
            .map_err(|error| format!("cannot connect to {}: {error}", address.authority))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut link = Self {
            stream,
            input: Vec::new(),
            used: 0,
            scratch: vec![0; READ_BYTES],
            output: frame::PROTOCOL_HEADER.to_vec(),
            sent: 0,
            frame_max: 0,
        };
        link.answer(10, |_| ())?;
        let response = format!("\0{}\0{}", address.user, address.password);
        link.put(&Method::ConnectionStartOk(connection::StartOk {
            client_properties: RawTable::default(),
            mechanism: "PLAIN",
            response: response.as_bytes(),
            locale: "en_US",
        }));
        let tune = link.answer(10, |method| match method {
            Method::ConnectionTune(tune) => Some(*tune),
            _ => None,
        })?;
        let tune = tune.ok_or("the broker did not offer its limits")?;
        link.frame_max = tune.frame_max;
        let (channel_max, frame_max) = (tune.channel_max, tune.frame_max);
        link.put_on(
            0,
            &Method::ConnectionTuneOk(connection::TuneOk { channel_max, frame_max, heartbeat: 0 }),
        );
        link.put_on(0, &Method::ConnectionOpen(connection::Open { virtual_host: &address.vhost }));
        link.answer(10, |_| ())?;
        link.call(&Method::ChannelOpen)?;
        Ok(link)
    }

    /// Appends a method to what is to be sent, on channel 0 where it is the connection's.
    pub(crate) fn put(&mut self, method: &Method<'_>) {
        let channel = if method.id().class == 10 { 0 } else { CHANNEL };
        self.put_on(channel, method);
    }

    fn put_on(&mut self, channel: u16, method: &Method<'_>) {
        method.write_frame(channel, &mut self.output);
    }

    /// Sends a method and waits for its answer.
    pub(crate) fn call(&mut self, method: &Method<'_>) -> Result<(), Trouble> {
        self.put(method);
        self.answer(method.id().class, |_| ())
    }

    /// Sends what is pending and waits for the next method of a class.
    fn answer<T>(&mut self, class: u16, take: impl FnOnce(&Method<'_>) -> T) -> Result<T, Trouble> {
        let pending = std::mem::take(&mut self.output);
        self.stream.write_all(&pending)?;
        loop {
            let Some((frame, length)) = frame::split(self.input.get(self.used..).unwrap_or_default(), 0)?
            else {
                self.make_room();
                let count = self.stream.read(&mut self.scratch)?;
                if count == 0 {
                    return Err("the broker hung up".into());
                }
                self.input.extend_from_slice(self.scratch.get(..count).unwrap_or_default());
                continue;
            };
            let start = self.used;
            self.used += length;
            if frame.kind != frame::METHOD {
                continue;
            }
            let bytes = self.input.get(start..self.used).unwrap_or_default();
            let Some((frame, _)) = frame::split(bytes, 0)? else { continue };
            let method = Method::decode(frame.payload)?;
            refuse(&method)?;
            if method.id().class == class {
                return Ok(take(&method));
            }
        }
    }

    /// Goes over to bytes without waiting.
    pub(crate) fn stop_waiting(&self) -> Result<(), Trouble> {
        Ok(self.stream.set_nonblocking(true)?)
    }

    /// Reads what is there, up to a buffer full; false when there was nothing.
    pub(crate) fn read_some(&mut self) -> Result<bool, Trouble> {
        self.make_room();
        match self.stream.read(&mut self.scratch) {
            Ok(0) => Err("the broker hung up".into()),
            Ok(count) => {
                self.input.extend_from_slice(self.scratch.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands every whole frame that has come to `each`, together with the output it may write to.
    pub(crate) fn frames(
        &mut self,
        mut each: impl FnMut(Frame<'_>, &mut Vec<u8>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        while let Some((frame, length)) = frame::split(self.input.get(self.used..).unwrap_or_default(), 0)? {
            each(frame, &mut self.output)?;
            self.used += length;
        }
        Ok(())
    }

    fn make_room(&mut self) {
        self.input.drain(..self.used);
        self.used = 0;
    }

    /// Sends as much of the output as the socket takes; true when all of it went.
    pub(crate) fn flush(&mut self) -> Result<bool, Trouble> {
        while self.sent < self.output.len() {
            match self.stream.write(self.output.get(self.sent..).unwrap_or_default()) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(true)
    }

    // Setting up

    /// Declares a queue; the broker's choice of a name where `name` is empty.
    pub(crate) fn declare_queue(&mut self, name: &str, durable: bool) -> Result<String, Trouble> {
        let exclusive = name.is_empty();
        let declare = queue::Declare { queue: name, durable, exclusive, ..queue::Declare::default() };
        self.put(&Method::QueueDeclare(declare));
        self.answer(50, |method| match method {
            Method::QueueDeclareOk(done) => Ok(done.queue.to_owned()),
            other => Err(format!("{} instead of queue.declare-ok", other.id()).into()),
        })?
    }

    pub(crate) fn declare_exchange(&mut self, exchange: &str, kind: &str) -> Result<(), Trouble> {
        let declare = exchange::Declare { exchange, exchange_type: kind, ..exchange::Declare::default() };
        self.call(&Method::ExchangeDeclare(declare))
    }

    pub(crate) fn bind(&mut self, queue: &str, exchange: &str, key: &str) -> Result<(), Trouble> {
        let routing_key = key.as_bytes();
        self.call(&Method::QueueBind(queue::Bind { queue, exchange, routing_key, ..queue::Bind::default() }))
    }

    /// Starts consuming; deliveries come from now on.
    pub(crate) fn consume(&mut self, queue: &str, no_ack: bool, prefetch_count: u16) -> Result<(), Trouble> {
        if prefetch_count > 0 {
            self.call(&Method::BasicQos(basic::Qos { prefetch_count, ..basic::Qos::default() }))?;
        }
        self.call(&Method::BasicConsume(basic::Consume { queue, no_ack, ..basic::Consume::default() }))
    }

    pub(crate) fn confirms(&mut self) -> Result<(), Trouble> {
        self.call(&Method::ConfirmSelect(confirm::Select::default()))
    }

    pub(crate) fn delete_queue(&mut self, queue: &str) -> Result<(), Trouble> {
        self.call(&Method::QueueDelete(queue::Delete { queue, ..queue::Delete::default() }))
    }

    pub(crate) fn delete_exchange(&mut self, exchange: &str) -> Result<(), Trouble> {
        self.call(&Method::ExchangeDelete(exchange::Delete { exchange, ..exchange::Delete::default() }))
    }
}

/// A broker that closes ends the measurement, with its own words.
pub(crate) fn refuse(method: &Method<'_>) -> Result<(), Trouble> {
    match method {
        Method::ConnectionClose(close) => {
            Err(format!("the broker closed the connection: {} {}", close.reply_code, close.reply_text).into())
        }
        Method::ChannelClose(close) => {
            Err(format!("the broker closed the channel: {} {}", close.reply_code, close.reply_text).into())
        }
        _ => Ok(()),
    }
}
