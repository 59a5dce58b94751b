//! Field tables: what the check accepts is walked to the end, owned, written and
//! read again as the same.
#![no_main]

use amqp::{FieldTable, RawTable, Value, ValueRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(raw) = RawTable::parse(data) else { return };
    // The walk ends where the bytes end, not at an error the check did not see.
    assert_eq!(raw.iter().map(|(name, value)| 1 + name.len() + wire_size(value)).sum::<usize>(), data.len());

    let owned = raw.to_owned();
    assert_eq!(raw.iter().count(), owned.len());
    for (name, _) in owned.iter() {
        assert_eq!(raw.get(name).map(|value| value.type_letter()), owned.get(name).map(Value::type_letter));
    }
    let bytes = owned.to_bytes();
    let again = RawTable::parse(&bytes).expect("our table is one");
    let owned_again: FieldTable = again.to_owned();
    // Bytes rather than values: a NaN equals nothing.
    assert_eq!(owned_again.to_bytes(), bytes);
    // Only the letter L and a bool's odd truths are written otherwise than they came.
    assert_eq!(bytes.len(), data.len());
});

/// Bytes of a value with its letter.
fn wire_size(value: ValueRef<'_>) -> usize {
    1 + match value {
        ValueRef::Void => 0,
        ValueRef::Bool(_) | ValueRef::I8(_) | ValueRef::U8(_) => 1,
        ValueRef::I16(_) | ValueRef::U16(_) => 2,
        ValueRef::I32(_) | ValueRef::U32(_) | ValueRef::F32(_) => 4,
        ValueRef::Decimal { .. } => 5,
        ValueRef::I64(_) | ValueRef::F64(_) | ValueRef::Timestamp(_) => 8,
        ValueRef::LongStr(bytes) | ValueRef::Bytes(bytes) => 4 + bytes.len(),
        ValueRef::Array(array) => 4 + array.iter().map(wire_size).sum::<usize>(),
        ValueRef::Table(table) => {
            4 + table.iter().map(|(name, value)| 1 + name.len() + wire_size(value)).sum::<usize>()
        }
    }
}
