//! What every kind of service can do: be found, be asked, be judged.
//!
//! [`Service`] is what a room implements, with facts of its own type; [`Examine`] is the same with
//! the facts as JSON, so that the survey can hold all kinds in one list and take over what an
//! aileron on another host has observed.

use std::marker::PhantomData;
use std::pin::Pin;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{Answer, Trouble};
use crate::ask::Ask;
use crate::place::Place;
use crate::verdict::{Finding, MemberVerdict, Risk, Severity, State, Verdict};
use crate::view::View;

/// A kind of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The database.
    Mariadb,
    /// The message broker of most installations.
    Rabbitmq,
    /// Our own message broker.
    Aileron,
    /// The balancer in front of all APIs.
    Haproxy,
    /// Locks, job boards and metrics in transit, with its Sentinels.
    Redis,
    /// The token and metadata cache.
    Memcached,
    /// Locks and coordination by a majority.
    Etcd,
    /// The proxies in front of instances' consoles.
    Consoles,
    /// What runs the instances, on computes.
    Libvirt,
    /// What runs where, and what takes over when a host is lost, with Corosync below it.
    Pacemaker,
    /// Disks, images and CephFS: its MONs, MGRs and MDSs.
    Ceph,
}

impl Kind {
    /// All of them, in the order of the overview.
    pub const ALL: &[Kind] = &[
        Kind::Pacemaker,
        Kind::Mariadb,
        Kind::Rabbitmq,
        Kind::Aileron,
        Kind::Haproxy,
        Kind::Redis,
        Kind::Memcached,
        Kind::Etcd,
        Kind::Consoles,
        Kind::Libvirt,
        Kind::Ceph,
    ];

    /// Its name in all outputs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Mariadb => "mariadb",
            Kind::Rabbitmq => "rabbitmq",
            Kind::Aileron => "aileron",
            Kind::Haproxy => "haproxy",
            Kind::Redis => "redis",
            Kind::Memcached => "memcached",
            Kind::Etcd => "etcd",
            Kind::Consoles => "consoles",
            Kind::Libvirt => "libvirt",
            Kind::Pacemaker => "pacemaker",
            Kind::Ceph => "ceph",
        }
    }

    /// Whether OpenStack's API stops without it; otherwise its failure only degrades the control plane.
    pub fn vital(self) -> bool {
        !matches!(self, Kind::Redis | Kind::Memcached | Kind::Etcd | Kind::Consoles | Kind::Libvirt)
    }

    /// What can be done with it.
    pub fn examine(self) -> &'static dyn Examine {
        match self {
            Kind::Mariadb => &Room::<crate::mariadb::Mariadb>(PhantomData),
            Kind::Rabbitmq => &Room::<crate::rabbitmq::Rabbitmq>(PhantomData),
            Kind::Aileron => &Room::<crate::aileron::Aileron>(PhantomData),
            Kind::Haproxy => &Room::<crate::haproxy::Haproxy>(PhantomData),
            Kind::Redis => &Room::<crate::redis::Redis>(PhantomData),
            Kind::Memcached => &Room::<crate::memcached::Memcached>(PhantomData),
            Kind::Etcd => &Room::<crate::etcd::Etcd>(PhantomData),
            Kind::Consoles => &Room::<crate::consoles::Consoles>(PhantomData),
            Kind::Libvirt => &Room::<crate::libvirt::Libvirt>(PhantomData),
            Kind::Pacemaker => &Room::<crate::pacemaker::Pacemaker>(PhantomData),
            Kind::Ceph => &Room::<crate::ceph::Ceph>(PhantomData),
        }
    }
}

/// One member to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Which service.
    pub kind: Kind,
    /// The host it runs on.
    pub host: String,
    /// Where to ask.
    pub place: Place,
    /// The TCP port by which other members know it, to tell whether a peer was asked already.
    pub port: Option<u16>,
    /// Whether it was seen running (process, socket, container); otherwise something only says that it should:
    /// an enabled unit, a container that has stopped, another member.
    pub seen: bool,
    /// How it was found, in words ("process 4711", "unit memcached.service is enabled").
    pub evidence: String,
    /// What its configuration says and its room needs ("datadir", "wsrep_cluster_address").
    #[serde(default)]
    pub settings: std::collections::BTreeMap<String, String>,
}

/// One member with its answer.
#[derive(Clone, Debug)]
pub struct Member<F> {
    /// What was asked.
    pub target: Target,
    /// What came of it.
    pub answer: Answer<F>,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
}

impl<F> Member<F> {
    /// Its own state by the findings about it: where it did not answer, any that counts means that it has failed.
    pub fn state(&self, severities: impl Iterator<Item = Severity>) -> State {
        severities.fold(State::Ok, |state, severity| {
            state.worst(match severity {
                Severity::Notice => State::Ok,
                Severity::Unknown => State::Unknown,
                _ if self.answer.facts().is_none() => State::Failed,
                Severity::Failed => State::Failed,
                Severity::Degraded => State::Degraded,
            })
        })
    }

    /// The member as a line of the verdict.
    pub fn verdict(&self, state: State, role: impl Into<String>) -> MemberVerdict {
        MemberVerdict {
            host: self.target.host.clone(),
            place: self.target.place.to_string(),
            state,
            role: role.into(),
            answer: self.answer.word().to_string(),
            took_ms: self.took_ms,
        }
    }
}

/// What a judge may know beside the members.
#[derive(Clone, Debug)]
pub struct Context {
    /// All hosts that were asked, those that did not answer among them.
    pub hosts: Vec<String>,
    /// Of these, the ones whose answer is missing: what runs there is unknown.
    pub missing: Vec<String>,
    /// Seconds since 1970.
    pub now: u64,
}

/// What a judge says; the state follows from the findings.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// One line: how many of how many, who leads.
    pub summary: String,
    /// What one more failure would mean.
    pub risk: Risk,
    /// A line for each member.
    pub members: Vec<MemberVerdict>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// A kind of service, as its room knows it.
pub trait Service: Send + Sync + 'static {
    /// Which kind this is.
    const KIND: Kind;
    /// Configuration files to be read for [`Service::find`], as globs of absolute paths. Files that a
    /// process of one of [`Service::DAEMONS`] names on its command line are read too.
    const FILES: &'static [&'static str] = &[];
    /// The names of its processes, as the kernel has them (15 characters).
    const DAEMONS: &'static [&'static str] = &[];
    /// What one member says.
    type Facts: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// The members on a host that run, or that the host is meant to run.
    fn find(view: &View) -> Vec<Target>;

    /// Asks one member. The caller keeps the clock: a probe that hangs is dropped at the deadline.
    ///
    /// # Errors
    /// When there is nothing there, it does not let us in, or it breaks its protocol.
    fn probe(target: &Target, ask: &Ask) -> impl Future<Output = Result<Self::Facts, Trouble>> + Send;

    /// Members that this one knows of, to be asked directly over the network.
    fn peers(_target: &Target, _facts: &Self::Facts) -> Vec<Target> {
        Vec::new()
    }

    /// Compares all members. Pure: the same members give the same judgement.
    fn judge(members: &[Member<Self::Facts>], context: &Context) -> Judgement;
}

/// A member's answer as it travels between hosts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// What was asked.
    pub target: Target,
    /// What came of it.
    #[serde(flatten)]
    pub answer: Answer<Value>,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
}

/// A boxed future, for the trait object.
type Asking<'a> = Pin<Box<dyn Future<Output = Result<Value, Trouble>> + Send + 'a>>;

/// [`Service`] with the facts as JSON.
pub trait Examine: Send + Sync {
    /// See [`Service::FILES`].
    fn files(&self) -> &'static [&'static str];
    /// See [`Service::DAEMONS`].
    fn daemons(&self) -> &'static [&'static str];
    /// See [`Service::find`].
    fn find(&self, view: &View) -> Vec<Target>;
    /// See [`Service::probe`].
    fn probe<'a>(&'a self, target: &'a Target, ask: &'a Ask) -> Asking<'a>;
    /// See [`Service::peers`].
    fn peers(&self, observation: &Observation) -> Vec<Target>;
    /// See [`Service::judge`].
    fn judge(&self, observations: &[Observation], context: &Context) -> Verdict;
}

/// A room seen from the survey.
struct Room<S>(PhantomData<S>);

impl<S: Service> Examine for Room<S> {
    fn files(&self) -> &'static [&'static str] {
        S::FILES
    }

    fn daemons(&self) -> &'static [&'static str] {
        S::DAEMONS
    }

    fn find(&self, view: &View) -> Vec<Target> {
        S::find(view)
    }

    fn probe<'a>(&'a self, target: &'a Target, ask: &'a Ask) -> Asking<'a> {
        Box::pin(async move {
            let facts = S::probe(target, ask).await?;
            serde_json::to_value(facts)
                .map_err(|error| Trouble::Broken(format!("facts have no JSON form: {error}")))
        })
    }

    fn peers(&self, observation: &Observation) -> Vec<Target> {
        match member::<S>(observation).answer {
            Answer::Got { facts } => S::peers(&observation.target, &facts),
            _ => Vec::new(),
        }
    }

    fn judge(&self, observations: &[Observation], context: &Context) -> Verdict {
        let members: Vec<_> = observations.iter().map(member::<S>).collect();
        let mut judged = S::judge(&members, context);
        judged.findings.sort_by_key(|finding| std::cmp::Reverse(rank(finding)));
        Verdict {
            service: S::KIND,
            state: Verdict::state_of(&judged.findings),
            summary: judged.summary,
            risk: judged.risk.words,
            fragile: judged.risk.fragile,
            members: judged.members,
            findings: judged.findings,
        }
    }
}

fn rank(finding: &Finding) -> u8 {
    match finding.severity {
        crate::Severity::Failed => 3,
        crate::Severity::Degraded => 2,
        crate::Severity::Unknown => 1,
        crate::Severity::Notice => 0,
    }
}

fn member<S: Service>(observation: &Observation) -> Member<S::Facts> {
    let answer = observation.answer.clone().convert(|facts| {
        serde_json::from_value(facts)
            .map_err(|error| Trouble::Broken(format!("observed by another version of aileron: {error}")))
    });
    Member { target: observation.target.clone(), answer, took_ms: observation.took_ms }
}
