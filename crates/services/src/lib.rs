//! The shared services of an OpenStack controller: what runs, and is it well.
//!
//! A survey goes four steps, and each is a room:
//!
//! 1. [`view`]: what one host shows without being asked anything: processes, listening sockets,
//!    containers, enabled units, configuration files.
//! 2. [`service`]: what a kind of service makes of it. Each has a room of its own (`memcached`, ...)
//!    with the same furniture: `find` names the members in a view, `facts` reads a daemon's raw
//!    answer, `probe` asks for it, `judge` compares all members. Only `probe` does I/O.
//! 3. [`survey`]: all hosts and all members at once, under one deadline. Whoever does not answer
//!    until then is [`Answer::Silent`], which is a state of its own.
//! 4. [`verdict`]: ok, degraded, failed or unknown, with findings: a stable code, the cause in
//!    words, the next command to type.
//!
//! Of overviews, one after the other, [`history`] makes the changes; [`gate`] says whether one is good enough
//! for a backup or after a restore.
//!
//! Which hosts there are says an [`inventory`]; how one is reached, [`reach`].
//!
//! Nothing here writes to a service or knows a screen: `aileron services` prints.

pub mod aileron;
mod amqp_greeting;
pub mod answer;
pub mod ask;
pub mod ceph;
pub mod consoles;
pub mod credentials;
pub mod etcd;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod haproxy;
pub mod history;
mod http;
pub mod inventory;
pub mod libvirt;
pub mod mariadb;
pub mod memcached;
pub mod pacemaker;
pub mod place;
pub mod rabbitmq;
pub mod reach;
pub mod redis;
mod remedy;
pub mod service;
pub mod survey;
mod tls;
pub mod verdict;
pub mod view;

pub use answer::{Answer, Trouble};
pub use ask::Ask;
pub use history::{Change, History};
pub use place::Place;
pub use service::{Context, Judgement, Kind, Member, Service, Target};
pub use survey::{Host, Settings, survey};
pub use verdict::{Finding, MemberVerdict, Overview, Risk, Severity, State, Verdict};
pub use view::View;
