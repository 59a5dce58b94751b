//! Whether two tables of arguments are one in a definitions file: JSON has one kind of number and of text, and no order
//! of keys. Otherwise a node that takes in what it gave out would bind a second time by another type of the same number.

use amqp::table::{FieldTable, Value};

/// Whether JSON has the same for both.
pub(super) fn tables(one: &FieldTable, other: &FieldTable) -> bool {
    let same = |(name, value): (&str, &Value)| other.get(name).is_some_and(|there| values(value, there));
    one.iter().count() == other.iter().count() && one.iter().all(same)
}

fn values(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| values(one, other))
        }
        (Value::Table(one), Value::Table(other)) => tables(one, other),
        _ => match (text(one), text(other), whole(one), whole(other)) {
            (Some(one), Some(other), _, _) => one == other,
            (_, _, Some(one), Some(other)) => one == other,
            _ => fraction(one).is_some_and(|number| fraction(other) == Some(number)),
        },
    }
}

fn text(value: &Value) -> Option<&[u8]> {
    match value {
        Value::LongStr(bytes) | Value::Bytes(bytes) => Some(bytes),
        Value::Void => Some(b"undefined"),
        _ => None,
    }
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Timestamp(seconds) => Some((*seconds).into()),
        value => value.as_int().map(i128::from),
    }
}

fn fraction(value: &Value) -> Option<f64> {
    match value {
        Value::F32(number) => Some(f64::from(*number)),
        Value::F64(number) => Some(*number),
        Value::Decimal { scale, value } => Some(f64::from(*value) / 10f64.powi(i32::from(*scale))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(fields: &[(&str, Value)]) -> FieldTable {
        let mut table = FieldTable::new();
        fields.iter().for_each(|(name, value)| table.insert(*name, value.clone()));
        table
    }

    #[test]
    fn types_and_order_do_not_count_and_values_do() {
        let nested = |number| Value::Table(table(&[("n", number)]));
        let sent = table(&[
            ("a", Value::U8(1)),
            ("b", Value::Bytes(b"two".to_vec())),
            ("c", Value::Array(vec![Value::I16(3), nested(Value::Timestamp(4))])),
            ("d", Value::Decimal { scale: 2, value: 150 }),
            ("e", Value::Void),
        ]);
        let read = [
            ("e", Value::LongStr(b"undefined".to_vec())),
            ("d", Value::F64(1.5)),
            ("c", Value::Array(vec![Value::I64(3), nested(Value::I64(4))])),
            ("b", Value::LongStr(b"two".to_vec())),
            ("a", Value::I64(1)),
        ];
        assert!(tables(&sent, &table(&read)));
        for (nth, other) in [Value::Bool(true), Value::F64(1.25), Value::I64(3)].into_iter().enumerate() {
            let mut changed = read.clone();
            changed[nth].1 = other;
            assert!(!tables(&sent, &table(&changed)), "{nth}");
        }
        assert!(!tables(&sent, &table(&read[1..])) && !tables(&table(&read[1..]), &sent));
    }
}
