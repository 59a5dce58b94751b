//! The wall clock in milliseconds: expiry times are kept in the log, so they count from the epoch.

pub(crate) use sched::wall_ms as now_ms;
