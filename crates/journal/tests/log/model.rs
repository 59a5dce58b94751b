//! Random histories with crashes against a model: what was durable is there, what was durably acked is not.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::support::{Owner, base_of, body, segments, silent, small};
use journal::fault::{Crash, FaultyStorage};
use journal::{Config, Error, Position};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        count: usize,
        index: usize,
        body: usize,
    },
    Ack {
        count: usize,
        from: usize,
    },
    Sync,
    Commit,
    Reclaim,
    /// Copies what is needed of a victim and crashes before it is retired.
    HalfReclaim(Crash),
    Crash(Crash),
    /// The next sync fails; then the process is restarted, or the machine goes down.
    FailSync(Crash),
    Close,
    /// The process is killed, and a segment's file taken away.
    TakeAway(usize),
    Snapshot,
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![
        Just(Crash::Process),
        Just(Crash::PowerAll),
        any::<u64>().prop_map(Crash::Power),
        any::<u64>().prop_map(Crash::Power)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1..40_usize, 0..60_usize, 0..1500_usize)
            .prop_map(|(count, index, body)| Step::Publish { count, index, body }),
        1 => (1..3_usize, 0..3000_usize, 8_000..40_000_usize)
            .prop_map(|(count, index, body)| Step::Publish { count, index, body }),
        8 => (1..60_usize, any::<usize>()).prop_map(|(count, from)| Step::Ack { count, from }),
        3 => Just(Step::Sync),
        3 => Just(Step::Commit),
        4 => Just(Step::Reclaim),
        2 => crash().prop_map(Step::HalfReclaim),
        3 => crash().prop_map(Step::Crash),
        1 => crash().prop_map(Step::FailSync),
        1 => Just(Step::Close),
        1 => any::<usize>().prop_map(Step::TakeAway),
        2 => Just(Step::Snapshot),
    ]
}

struct Model {
    disk: FaultyStorage,
    config: Config,
    owner: Owner,
    /// Everything ever published, by id.
    contents: HashMap<Position, (Vec<u8>, Vec<u8>)>,
    /// Published and not acked, with the end of the record.
    alive: HashMap<Position, Position>,
    /// Acked, with the end of the ack.
    acked: HashMap<Position, Position>,
    next: u64,
    /// The newest snapshot: what was in the log then.
    copy: HashMap<Position, (Vec<u8>, Vec<u8>)>,
    copies: usize,
}

impl Model {
    fn new(config: Config) -> Self {
        let disk = FaultyStorage::new();
        let owner = Owner::open(&disk, config, silent()).expect("opens");
        let (contents, alive, acked) = Default::default();
        Model { disk, config, owner, contents, alive, acked, next: 0, copy: HashMap::new(), copies: 0 }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Publish { count, index, body } => (0..count).for_each(|_| self.publish(index, body)),
            Step::Ack { count, from } => self.ack(count, from),
            Step::Sync => self.owner.journal.sync().expect("syncs"),
            Step::Commit => self.owner.journal.commit(Position::MAX),
            Step::Reclaim => {
                self.owner.reclaim().expect("reclaims");
            }
            Step::HalfReclaim(how) => {
                if let Some(victim) = self.owner.journal.victim() {
                    self.owner.empty(victim).expect("copies");
                    self.crash(how);
                }
            }
            Step::Crash(how) => self.crash(how),
            Step::FailSync(how) => {
                // No sync of something earlier must meet the fault.
                self.owner.journal.sync().expect("syncs");
                self.disk.fail_sync(1);
                // The manifest's may have met it already.
                let _ = self.try_publish(10, 100);
                let durable = self.owner.journal.durable();
                assert!(self.owner.journal.sync().is_err(), "a failed sync is never success");
                assert!(self.owner.publish(b"", b"").is_err(), "failed for good");
                assert_eq!(self.owner.journal.durable(), durable, "nothing becomes durable any more");
                self.crash(how);
            }
            Step::Close => {
                self.owner.journal.close().expect("closes");
                self.crash(Crash::PowerAll);
            }
            Step::TakeAway(which) => self.take_away(which),
            Step::Snapshot => self.snapshot(),
        }
    }

    fn copy_dir(&self) -> PathBuf {
        PathBuf::from(format!("/copy{}", self.copies))
    }

    fn snapshot(&mut self) {
        self.check_copy();
        self.copies += 1;
        let _ = self.owner.journal.snapshot().write_to(&self.copy_dir()).expect("copied");
        let live = self.owner.live.keys().map(|id| (*id, self.contents[id].clone()));
        self.copy = live.collect();
        if self.next.is_multiple_of(2) {
            self.check_copy();
        }
    }

    /// The newest snapshot is what it was, whatever became of the log, and goes on by itself.
    fn check_copy(&self) {
        if self.copies == 0 {
            return;
        }
        let disk = Arc::new(self.disk.clone());
        let mut copy = Owner::open_in(&self.copy_dir(), disk, self.config, silent()).expect("the copy opens");
        let live: HashSet<_> = copy.live.keys().copied().collect();
        assert_eq!(live, self.copy.keys().copied().collect::<HashSet<_>>());
        copy.verify(&self.copy);
        // Nothing of it may be seen by the log, nor by the copy the next time: it is taken back.
        let (id, _) = copy.publish(b"own", &body(1, 3000)).expect("appends");
        copy.journal.sync().expect("syncs");
        copy.ack(&[id]).expect("appends");
        copy.reclaim().expect("reclaims");
        copy.journal.close().expect("closes");
    }

    fn take_away(&mut self, which: usize) {
        let durable = self.owner.journal.durable();
        self.disk = self.disk.crash(Crash::Process);
        let files = segments(&self.disk);
        if let Some(file) = files.get(which % files.len().max(1)) {
            let bytes = self.disk.bytes(file).expect("there");
            self.disk.take_away(file);
            match Owner::open(&self.disk, self.config, silent()) {
                Ok(_) => {
                    let listed = base_of(file) < durable;
                    assert!(!listed, "opened without {}", file.display());
                }
                Err(Error::Missing { path, .. }) => assert_eq!(path, *file),
                Err(error) => panic!("{error}"),
            }
            self.disk.put(file, bytes);
        }
        self.reopened(durable, Crash::Process);
    }

    fn publish(&mut self, index: usize, len: usize) {
        self.try_publish(index, len).expect("appends");
    }

    fn try_publish(&mut self, index: usize, len: usize) -> Result<(), Error> {
        self.next += 1;
        let (index, body) = (body(self.next, index), body(self.next + 7, len));
        let (id, end) = self.owner.publish(&index, &body)?;
        assert!(self.contents.insert(id, (index, body)).is_none_or(|_| !self.alive.contains_key(&id)));
        self.acked.remove(&id);
        self.alive.insert(id, end);
        Ok(())
    }

    fn ack(&mut self, count: usize, from: usize) {
        let living: Vec<_> = self.owner.live.keys().copied().collect();
        if living.is_empty() {
            return;
        }
        let some: Vec<_> = (0..count).map(|n| living[(from % living.len() + n * 3) % living.len()]).collect();
        let some: Vec<_> = HashSet::<Position>::from_iter(some).into_iter().collect();
        let end = self.owner.ack(&some).expect("appends");
        for id in some {
            self.alive.remove(&id);
            self.acked.insert(id, end);
        }
    }

    fn crash(&mut self, how: Crash) {
        let durable = self.owner.journal.durable();
        self.disk = self.disk.crash(how);
        self.reopened(durable, how);
    }

    fn reopened(&mut self, durable: Position, how: Crash) {
        self.owner = Owner::open(&self.disk, self.config, silent()).expect("opens after a crash");
        let live = &self.owner.live;
        for (id, end) in &self.alive {
            assert!(*end > durable || live.contains_key(id), "durable message {id} is lost ({how:?})");
        }
        for (id, end) in &self.acked {
            assert!(*end > durable || !live.contains_key(id), "durably acked message {id} is back ({how:?})");
        }
        self.owner.verify(&self.contents);
        self.check_copy();
        // What came back is what there is now, all of it durable.
        self.alive = live.keys().map(|id| (*id, 0)).collect();
        self.acked.retain(|id, _| !self.alive.contains_key(id));
        self.acked.values_mut().for_each(|end| *end = 0);
        self.contents.retain(|id, _| self.alive.contains_key(id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("JOURNAL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(120),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_was_durable_survives(steps in proptest::collection::vec(step(), 1..80), spares in 0..3_usize) {
        let mut model = Model::new(Config { spare_segments: spares, ..small() });
        for step in &steps {
            model.apply(step);
        }
        model.owner.journal.sync().expect("syncs");
        model.crash(Crash::PowerAll);
        let all: Vec<_> = model.owner.live.keys().copied().collect();
        for some in all.chunks(100) {
            model.owner.ack(some).expect("appends");
        }
        model.owner.journal.sync().expect("syncs");
        model.owner.reclaim().expect("reclaims");
        let stats = model.owner.journal.stats();
        prop_assert!(stats.live_bytes == 0);
        prop_assert!(stats.segments <= 4, "a drained journal is small: {stats:?}");
    }
}
