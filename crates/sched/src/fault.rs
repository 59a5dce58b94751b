//! Faults that were mended, put back by name: so that a simulator can show that it finds them.
//!
//! A switch stands where the fault stood. Without the feature `simulated` it is a constant, and nothing of it is left.

/// Their names, and what each does.
#[cfg(feature = "simulated")]
pub const ALL: &[(&str, &str)] = &[
    ("gone-is-lost", "a message that a reclaim moves while it is read counts as damaged, and is dropped"),
    ("long-list-swallowed", "an acknowledgement of many messages is not written, and nobody says so"),
    ("copy-names-all", "a copy of a shared message names queues that have settled it"),
    (
        "retire-waits-for-all",
        "space is given back only once every acknowledgement is on disk, and nothing is in reserve",
    ),
    ("damage-ends-reclaim", "one message that cannot be read ends the giving back of space"),
    ("two-declarations", "of two declarations of one name in the log the older one counts"),
    ("torn-tx", "a transaction's messages and acknowledgements reach the log one by one"),
    (
        "delete-judged-apart",
        "whether a queue is empty or unused is judged before it is deleted, and not as it is",
    ),
    ("declare-early", "a declaration or deletion is answered before it is on disk"),
    ("confirm-early", "a publish is confirmed before it is on disk"),
    ("acks-dropped", "a reclaim carries no acknowledgement over"),
    ("full-spins", "the log's thread does not sleep while it waits for space"),
];

#[cfg(feature = "simulated")]
static PUT_BACK: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();

/// Puts the fault of this name back, in the whole process and for good. `false`: there is none of that name, or another
/// one is back.
#[cfg(feature = "simulated")]
pub fn put_back(name: &str) -> bool {
    let known = ALL.iter().find(|(known, _)| *known == name);
    known.is_some_and(|(known, _)| PUT_BACK.set(known).is_ok())
}

/// Whether the fault of this name is back.
#[inline]
pub fn is_back(name: &str) -> bool {
    #[cfg(feature = "simulated")]
    return PUT_BACK.get().is_some_and(|back| *back == name);
    #[cfg(not(feature = "simulated"))]
    {
        let _ = name;
        false
    }
}
