//! Faults that were mended, put back by name: so that a simulator can show that it finds them.
//!
//! A switch stands where the fault stood. Without the feature `simulated` it is a constant, and nothing of it is left.

#[cfg(feature = "simulated")]
static PUT_BACK: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// Puts the fault of this name back, in the whole process and for good. Only the first call counts.
#[cfg(feature = "simulated")]
pub fn put_back(name: &str) {
    drop(PUT_BACK.set(name.to_owned()));
}

/// Whether the fault of this name is back.
#[inline]
pub fn is_back(name: &str) -> bool {
    #[cfg(feature = "simulated")]
    return PUT_BACK.get().is_some_and(|back| back == name);
    #[cfg(not(feature = "simulated"))]
    {
        let _ = name;
        false
    }
}
